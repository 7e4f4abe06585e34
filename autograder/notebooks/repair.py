"""Finding the cells of a release in what came back: lost marks, copied, moved, retyped and deleted cells.

A cell is looked for by its grade id, then by its cell id, then by its recovery comment, then by similarity. What the
learner wrote is never changed; only marks, types and places of cells are.
"""

from __future__ import annotations

import copy
import difflib
import re
from typing import Any

from nbformat import NotebookNode

from .cells import NOTE, SKIP, exercise_name, grade_id, is_grade, is_skipped, is_solution, recovery

_SIMILAR = 0.6


def repair(submitted: NotebookNode, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """A gradable copy of a submission, and one line for each thing that was put right."""
    notebook, report = copy.deepcopy(submitted), []
    notebook.metadata.pop(NOTE, None)
    for cell in notebook.cells:
        cell.metadata.pop(NOTE, None)
        if is_skipped(cell):
            cell.metadata["tags"] = [tag for tag in cell.metadata["tags"] if tag != SKIP]
    anchors = [cell for cell in released.cells if grade_id(cell) or is_skipped(cell)]
    matches = _match(anchors, notebook.cells)
    report += _lost_marks(anchors, matches)
    for number, (cell, _) in sorted(matches.items()):
        report += _restore(cell, anchors[number])
    kept = {id(cell) for cell, _ in matches.values()}
    report += _clear_strangers(notebook, kept, anchors)
    report += _put_back(notebook, anchors, matches)
    report += _order(notebook)
    _unique_ids(notebook)
    return notebook, report


def _match(anchors: list[Any], cells: list[Any]) -> dict[int, tuple[Any, str]]:
    """The submitted cell of each anchor (by its number), and how it was found."""
    free = list(cells)
    found: dict[int, tuple[Any, str]] = {}

    def take(number: int, candidates: list[Any], how: str) -> None:
        if not candidates:
            return
        # Of several copies the last one that was written in is what the learner's own kernel ran last.
        written = [cell for cell in candidates if cell.source.strip() != anchors[number].source.strip()]
        chosen = (written or candidates)[-1]
        found[number] = (chosen, how)
        free[:] = [cell for cell in free if cell is not chosen]

    ways = (
        (
            "grade id",
            lambda anchor: [c for c in free if grade_id(anchor) and grade_id(c) == grade_id(anchor)],
        ),
        ("cell id", lambda anchor: [c for c in free if c["id"] == anchor["id"] and _related(c, anchor)]),
        ("comment line", lambda anchor: [c for c in free if _same_comment(c, anchor)]),
        ("similarity", lambda anchor: _most_similar(anchor, free)),
    )
    for how, candidates in ways:
        for number, anchor in enumerate(anchors):
            if number not in found:
                take(number, candidates(anchor), how)
    return found


def _related(cell: Any, anchor: Any) -> bool:
    """Ids like "0", "1" are given anew by some tools: an id counts only where the text does not contradict it."""
    mine, its = recovery(anchor.source), recovery(cell.source)
    return its is None or mine is None or mine == its


def _same_comment(cell: Any, anchor: Any) -> bool:
    line = recovery(anchor.source)
    return line is not None and recovery(cell.source) == line


def _most_similar(anchor: Any, cells: list[Any]) -> list[Any]:
    defined = re.findall(r"^(?:def|class) (\w+)", anchor.source, re.MULTILINE)
    for cell in cells:
        if (
            defined
            and is_solution(anchor)
            and re.search(rf"^(?:def|class) {defined[0]}\b", cell.source, re.MULTILINE)
        ):
            return [cell]
    scored = [
        (difflib.SequenceMatcher(None, anchor.source, cell.source, autojunk=False).ratio(), number)
        for number, cell in enumerate(cells)
        if cell.source.strip() and cell.cell_type == anchor.cell_type
    ]
    best, number = max(scored, default=(0.0, -1))
    return [cells[number]] if best >= _SIMILAR else []


def _label(anchor: Any) -> str:
    return grade_id(anchor) or f"the cell that starts with {anchor.source.splitlines()[0][:40]!r}"


def _lost_marks(anchors: list[Any], matches: dict[int, tuple[Any, str]]) -> list[str]:
    """One line for all cells whose marks were lost and that were found again in the same way."""
    names: dict[str, list[str]] = {}
    for number, (_, how) in sorted(matches.items()):
        if how != "grade id" and grade_id(anchors[number]):
            names.setdefault(how, []).append(_label(anchors[number]))
    return [
        f"grading metadata was lost; found again by {how}: {', '.join(found)}" for how, found in names.items()
    ]


def _restore(cell: Any, anchor: Any) -> list[str]:
    """Give a cell the type and the marks its anchor has."""
    report = []
    if cell.cell_type != anchor.cell_type:
        report.append(f"{_label(anchor)}: was a {cell.cell_type} cell, made a {anchor.cell_type} cell again")
        cell.cell_type = anchor.cell_type
        if anchor.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.pop("outputs", None), cell.pop("execution_count", None)
    if grade_id(anchor):
        cell.metadata["nbgrader"] = copy.deepcopy(anchor.metadata.nbgrader)
    if is_grade(anchor) and not is_solution(anchor) and cell.source != anchor.source:
        report.append(f"{_label(anchor)}: the text of the check had been changed")
        cell.source = anchor.source
    if is_skipped(anchor):
        tags = cell.metadata.get("tags")
        cell.metadata["tags"] = [*(tags if isinstance(tags, list) else []), SKIP]
    for key in ("deletable", "editable"):
        cell.metadata.pop(key, None)
        if key in anchor.metadata:
            cell.metadata[key] = anchor.metadata[key]
    return report


def _clear_strangers(notebook: NotebookNode, kept: set[int], anchors: list[Any]) -> list[str]:
    """Cells that claim marks without being the cell of the release; unchanged copies of a stub do not run again."""
    report = []
    stubs = {anchor.source.strip(): grade_id(anchor) for anchor in anchors if is_solution(anchor)}
    for cell in notebook.cells:
        if id(cell) in kept:
            continue
        claimed = grade_id(cell)
        if cell.metadata.pop("nbgrader", None) is not None:
            report.append(
                f"{claimed or 'a cell'}: a second cell with these marks is kept as an ordinary cell"
            )
        if cell.cell_type == "code" and cell.source.strip() in stubs:
            cell.metadata["tags"] = [SKIP]
            report.append(f"{stubs[cell.source.strip()]}: the empty copy of the cell is left out")
    return report


def _put_back(notebook: NotebookNode, anchors: list[Any], matches: dict[int, tuple[Any, str]]) -> list[str]:
    """Deleted cells come back behind the cell they used to follow."""
    report = []
    for number, anchor in enumerate(anchors):
        if number in matches or grade_id(anchor) is None:
            continue
        earlier = [matches[n][0] for n in range(number) if n in matches]
        place = _position(notebook, earlier[-1]) + 1 if earlier else 0
        cell = copy.deepcopy(anchor)
        notebook.cells.insert(place, cell)
        matches[number] = (cell, "")
        report.append(f"{_label(anchor)}: the cell was missing and was put back")
    return report


def _order(notebook: NotebookNode) -> list[str]:
    """A check stands behind the cell it checks."""
    report = []
    solutions = {grade_id(cell): cell for cell in notebook.cells if is_solution(cell) and not is_grade(cell)}
    for cell in [cell for cell in notebook.cells if is_grade(cell)]:
        solution = solutions.get(exercise_name(grade_id(cell) or ""))
        if solution is not None and _position(notebook, cell) < _position(notebook, solution):
            del notebook.cells[_position(notebook, cell)]
            notebook.cells.insert(_position(notebook, solution) + 1, cell)
            report.append(f"{grade_id(cell)}: stood before its exercise; moved behind it")
    return report


def _position(notebook: NotebookNode, cell: Any) -> int:
    return next(number for number, other in enumerate(notebook.cells) if other is cell)


def _unique_ids(notebook: NotebookNode) -> None:
    taken: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        if cell["id"] in taken or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]):
            cell["id"] = f"cell-{number}-{len(taken)}"
        taken.add(cell["id"])
