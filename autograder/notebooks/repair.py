"""Putting a damaged submission in order, so that it can be graded like any other.

What the learner wrote is never changed; only marks, types, places and boundaries of cells are. All marks come from the
release: what a submission says about points or purposes of its cells only helps to find them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode

from .boundaries import restore_boundaries
from .cells import SKIP, defined, essence, exercise_name, grade_id, in_one_line, is_skipped, is_solution
from .matching import SIMILAR, Match, anchors, is_check, is_imports, lines_of, match, similarity

Matches = dict[int, Match]


def repair(submitted: NotebookNode, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """A gradable copy of a submission, and one line for each thing that was put right."""
    notebook = copy.deepcopy(submitted)
    notebook.cells, report = restore_boundaries(notebook.cells, released.cells)
    wanted = anchors(released.cells)
    matches = match(wanted, notebook.cells)
    report += _lost_marks(wanted, matches)
    report += _several_answers(wanted, matches)
    report += _strangers(notebook, wanted, matches)
    for number, found in sorted(matches.items()):
        report += _restore(notebook, found.cell, wanted[number])
    report += _put_back(notebook, wanted, matches)
    report += _order(notebook, wanted, matches)
    _unique_ids(notebook, {id(found.cell) for found in matches.values()})
    notebook.metadata = copy.deepcopy(released.metadata)
    return notebook, report


def _label(anchor: Any) -> str:
    return grade_id(anchor) or f"the cell that starts with “{anchor.source.splitlines()[0][:40]}”"


def _lost_marks(wanted: Sequence[Any], matches: Matches) -> list[str]:
    """One line for all cells whose marks were lost and that were found again in the same way."""
    names: dict[str, list[str]] = {}
    for number, found in sorted(matches.items()):
        if found.how != "grade id" and grade_id(wanted[number]):
            names.setdefault(found.how, []).append(_label(wanted[number]))
    return [
        f"grading metadata was lost; found again by {how}: {', '.join(found)}" for how, found in names.items()
    ]


def _several_answers(wanted: Sequence[Any], matches: Matches) -> list[str]:
    return [
        f"{_label(wanted[number])}: it is written in {found.others + 1} cells; the last one above its check counts"
        for number, found in sorted(matches.items())
        if found.others
    ]


def _strangers(notebook: NotebookNode, wanted: Sequence[Any], matches: Matches) -> list[str]:
    """Cells that claim marks without being the cell of the release, and copies of cells that are not to run (again)."""
    report, copies = [], 0
    kept = {id(found.cell) for found in matches.values()}
    not_run = [lines_of(anchor) for anchor in wanted if is_skipped(anchor)]
    stubs = {essence(anchor): grade_id(anchor) for anchor in wanted if is_solution(anchor)}
    for cell in notebook.cells:
        if id(cell) in kept:
            continue
        claimed = grade_id(cell)
        cell.metadata = NotebookNode()
        stub = stubs.get(essence(cell))
        if stub and cell.cell_type == "code":
            cell.metadata["tags"] = [SKIP]
            report.append(f"{stub}: the empty copy of the cell is left out")
        elif cell.cell_type == "code" and _resembles(cell, not_run):
            cell.metadata["tags"] = [SKIP]
            copies += 1
        elif claimed:
            report.append(
                f"{in_one_line(claimed)}: a second cell with these marks is kept as an ordinary cell"
            )
    if copies:
        report.append(f"copies of training and demo cells, {copies} of them, are left out as those cells are")
    return report


def _resembles(cell: Any, sources: Sequence[set[str]]) -> bool:
    lines = lines_of(cell)
    return any(similarity(source, lines) >= SIMILAR for source in sources)


def _restore(notebook: NotebookNode, cell: Any, anchor: Any) -> list[str]:
    """Give a cell the type, the marks and, if it is a check, the text of its anchor."""
    report = []
    if cell.cell_type != anchor.cell_type:
        report.append(f"{_label(anchor)}: was a {cell.cell_type} cell, made a {anchor.cell_type} cell again")
        _retype(cell, anchor.cell_type)
    if is_check(anchor) and cell.source != anchor.source:
        if essence(cell) != essence(anchor):
            report.append(f"{_label(anchor)}: the text of the check had been changed")
            if code := _besides(cell.source, anchor.source):
                extra = copy.deepcopy(cell)
                extra.metadata, extra.source, extra["id"] = NotebookNode(), code, "part"
                notebook.cells.insert(_position(notebook, cell), extra)
        cell.source = anchor.source
    cell.metadata = copy.deepcopy(anchor.metadata)
    cell["id"] = anchor["id"]
    return report


def _retype(cell: Any, cell_type: str) -> None:
    cell.cell_type = cell_type
    if cell_type == "code":
        cell.outputs, cell.execution_count = [], None
        cell.pop("attachments", None)
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _besides(source: str, check: str) -> str:
    """What a learner wrote into the cell of a check, without the check: it may be what the answer needs."""
    lines = {line.strip() for line in check.splitlines()}
    kept = [line for line in source.splitlines() if line.strip() not in lines]
    wrote = any(line.strip() and not line.startswith(("#", "check(")) for line in kept)
    return "\n".join(kept) if wrote else ""


def _put_back(notebook: NotebookNode, wanted: Sequence[Any], matches: Matches) -> list[str]:
    """Deleted cells come back behind the cell they used to follow."""
    report = []
    for number, anchor in enumerate(wanted):
        if number in matches or (is_skipped(anchor) and not grade_id(anchor)):
            continue
        earlier = [matches[n].cell for n in range(number) if n in matches]
        place = _position(notebook, earlier[-1]) + 1 if earlier else 0
        cell = copy.deepcopy(anchor)
        if is_solution(anchor) and _is_bound(defined(anchor.source), notebook.cells):
            cell.metadata["tags"] = [SKIP]  # the stub must not take the place of what the learner has
        notebook.cells.insert(place, cell)
        matches[number] = Match(cell, "")
        report.append(f"{_label(anchor)}: the cell was missing and was put back")
    return report


def _is_bound(names: Sequence[str], cells: Sequence[Any]) -> bool:
    """Whether some code gives one of the names a value in another way than by a definition."""
    either = "|".join(map(re.escape, names))
    binding = re.compile(
        rf"^(?:(?:{either})[ \t]*=|[ \t]*(?:from|import)\b[^\n]*(?:\b(?:{either})\b|\*))", re.MULTILINE
    )
    return bool(names) and any(cell.cell_type == "code" and binding.search(cell.source) for cell in cells)


def _order(notebook: NotebookNode, wanted: Sequence[Any], matches: Matches) -> list[str]:
    """A check stands behind the cell it checks, the imports before all answers."""
    report = []
    answers = {grade_id(wanted[n]): found.cell for n, found in matches.items() if is_solution(wanted[n])}
    for number, found in sorted(matches.items()):
        answer = answers.get(exercise_name(grade_id(wanted[number]) or ""))
        if is_check(wanted[number]) and answer is not None and _move(notebook, found.cell, behind=answer):
            report.append(f"{_label(wanted[number])}: stood before its exercise; moved behind it")
    first = min((_position(notebook, cell) for cell in answers.values()), default=0)
    for number, found in sorted(matches.items(), reverse=True):
        if is_imports(wanted[number]) and _position(notebook, found.cell) > first:
            notebook.cells.insert(0, notebook.cells.pop(_position(notebook, found.cell)))
            report.append("the cell with the imports stood behind an exercise; moved to the top")
    return report


def _move(notebook: NotebookNode, cell: Any, behind: Any) -> bool:
    """Move a cell behind another one, if it stands before it."""
    if _position(notebook, cell) > _position(notebook, behind):
        return False
    del notebook.cells[_position(notebook, cell)]
    notebook.cells.insert(_position(notebook, behind) + 1, cell)
    return True


def _position(notebook: NotebookNode, cell: Any) -> int:
    return next(number for number, other in enumerate(notebook.cells) if other is cell)


def _unique_ids(notebook: NotebookNode, matched: set[int]) -> None:
    """Cells of the release have its ids; of the others each that is odd or taken gets a new one."""
    taken = {cell["id"] for cell in notebook.cells if id(cell) in matched}
    for number, cell in enumerate(notebook.cells):
        if id(cell) in matched:
            continue
        if cell["id"] in taken or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]):
            cell["id"] = f"cell-{number}-{len(taken)}"
        taken.add(cell["id"])
