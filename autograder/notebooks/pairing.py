"""From a master (jupytext's percent format, the text people edit) to its notebook, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from autograder import exercises

from .cells import Recovery, exercise_name, grade_id, is_grade, is_solution, marks, recovery, stable_id

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MARKS = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}


class MasterError(ValueError):
    """A master that cannot become a lab."""


def pair(master: Path) -> NotebookNode:
    """The notebook of a master: stable cell ids, no outputs, complete marks, points of the exercises, recovery lines.

    Raises:
        MasterError: when a cell contradicts its exercise (other points, another number).
    """
    notebook = jupytext.read(master)
    taken: set[str] = set()
    for cell in notebook.cells:
        cell.metadata.pop("lines_to_next_cell", None)
        if marks(cell):
            _complete(cell, master)
        cell["id"] = stable_id(cell, taken)
    notebook.metadata = nbformat.from_dict(
        {
            "jupytext": {"formats": "ipynb,py:percent"},
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """The bytes a notebook file holds."""
    return nbformat.writes(notebook, version=4) + "\n"


def _complete(cell: NotebookNode, master: Path) -> None:
    found = grade_id(cell)
    if found is None:
        raise MasterError(
            f"{master.name}: a cell has nbgrader metadata without a grade_id:\n{cell.source[:80]}"
        )
    locked = {"locked": is_grade(cell) and not is_solution(cell)}
    cell.metadata["nbgrader"] = nbformat.from_dict(dict(sorted({**MARKS, **locked, **marks(cell)}.items())))
    name = exercise_name(found)
    if cell.cell_type != "code" or name not in exercises.names():
        return
    exercise = exercises.load(name)
    if is_grade(cell):
        points = cell.metadata.nbgrader.setdefault("points", exercise.points)
        if points != exercise.points:
            raise MasterError(
                f"{master.name}: cell {found} gives {points} points, its exercise {exercise.points}: "
                "leave the points out of the master"
            )
    line = Recovery("check" if is_grade(cell) else "exercise", exercise.number, name)
    present = recovery(cell.source)
    if present is None:
        cell.source = f"{line}\n{cell.source}"
    elif present != line:
        raise MasterError(f'{master.name}: cell {found} says "{present}", it must say "{line}"')
