"""Which cell of a submission is which cell of the release.

Every submitted cell belongs to the one cell of the release that its text names (the recovery comment, the function it
defines), else to the one its grade id or cell id names. Where several belong to the same, Python's rule decides: the
last one that was written in before the check. What nothing names is found by similarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .cells import defined, essence, exercise_name, grade_id, is_grade, is_skipped, is_solution, recovery

SIMILAR = 0.5  # share of its lines that a cell of the release must have in common with a submitted one


class Match(NamedTuple):
    """A submitted cell, how it was found, and how many others were written for the same purpose."""

    cell: Any
    how: str
    others: int = 0


def anchors(released: Sequence[Any]) -> list[Any]:
    """The cells of a release that must be found again: graded ones, answers, those not run, and the imports."""
    return [
        cell
        for cell in released
        if grade_id(cell) or is_imports(cell) or (is_skipped(cell) and cell.cell_type == "code")
    ]


def is_imports(cell: Any) -> bool:
    """A cell that runs and whose imports others may need."""
    starts = [line.split(" ")[0] for line in cell.source.splitlines()]
    ordinary = cell.cell_type == "code" and not grade_id(cell) and not is_skipped(cell)
    return ordinary and ("import" in starts or "from" in starts)


def is_check(cell: Any) -> bool:
    """A graded cell that holds no answer."""
    return is_grade(cell) and not is_solution(cell)


def match(wanted: Sequence[Any], cells: Sequence[Any]) -> dict[int, Match]:
    """The submitted cell of each wanted one, by its number in ``wanted`` (`anchors`)."""
    claims = _claims(wanted, cells)
    claimed = {position for found in claims.values() for position in found}
    checks = {_exercise(wanted[n]): min(found) for n, found in claims.items() if is_check(wanted[n])}
    chosen: dict[int, Match] = {}
    places: dict[str, int] = {}
    for number, found in claims.items():
        if not is_check(wanted[number]):
            name = _exercise(wanted[number])
            place, others = _answer(wanted[number], list(found), cells, checks.get(name, len(cells)))
            places[name] = place
            chosen[number] = Match(cells[place], found[place], others)
    for number, found in claims.items():
        if is_check(wanted[number]):  # of several copies, the first behind the answer
            behind = [place for place in found if place > places.get(_exercise(wanted[number]), -1)]
            place = behind[0] if behind else max(found)
            chosen[number] = Match(cells[place], found[place])
    free = {position: lines_of(cell) for position, cell in enumerate(cells) if position not in claimed}
    for number, anchor in enumerate(wanted):
        # Checks are all alike, and their text is known.
        if number not in chosen and not is_check(anchor) and free:
            lines = lines_of(anchor)
            best = max(free, key=lambda position: similarity(lines, free[position]))
            if similarity(lines, free[best]) >= SIMILAR:
                chosen[number] = Match(cells[best], "similarity")
                del free[best]
    return chosen


def lines_of(cell: Any) -> set[str]:
    """The lines of a cell's source, without blanks around them."""
    return {line.strip() for line in cell.source.splitlines() if line.strip()}


def similarity(lines: set[str], others: set[str]) -> float:
    """Share of ``lines`` that is also in ``others``."""
    return len(lines & others) / len(lines) if lines else 0.0


def answered(matches: dict[int, Match], wanted: Sequence[Any]) -> tuple[set[str], set[str]]:
    """Names of the exercises whose cell was found, and of those in which something was written."""
    found = {number for number in matches if is_solution(wanted[number])}
    written = {number for number in found if _is_written(matches[number].cell, wanted[number])}
    return {grade_id(wanted[n]) or "" for n in found}, {grade_id(wanted[n]) or "" for n in written}


def _claims(wanted: Sequence[Any], cells: Sequence[Any]) -> dict[int, dict[int, str]]:
    """For each wanted cell the positions of those that are it, and what says so."""
    by_line = {line[::2]: n for n, anchor in enumerate(wanted) if (line := recovery(anchor.source))}
    by_name = {
        name: n for n, anchor in enumerate(wanted) if is_solution(anchor) for name in defined(anchor.source)
    }
    by_mark = {mark: n for n, anchor in enumerate(wanted) if (mark := grade_id(anchor))}
    by_id = {anchor["id"]: n for n, anchor in enumerate(wanted)}
    by_code = {essence(anchor): n for n, anchor in enumerate(wanted) if is_check(anchor)}
    claims: dict[int, dict[int, str]] = {}
    for position, cell in enumerate(cells):
        line, mark = recovery(cell.source), grade_id(cell)
        shown = cell.cell_type == "markdown" and "```" in cell.source  # code shown in a text is no cell
        by_text = (
            []
            if shown
            else [by_line.get(line[::2]) if line else None, *map(by_name.get, defined(cell.source))]
        )
        numbers = [number for number in by_text if number is not None]
        ways = {
            "grade id": by_mark.get(mark or ""),
            "cell id": by_id.get(cell["id"]) if _shares_a_line(cell, by_id, wanted) else None,
            "comment line": by_text[0] if by_text else None,
            "definition": numbers[0] if numbers else None,
            "text": by_code.get(essence(cell)),
        }
        numbers += [number for number in ways.values() if number is not None]
        if numbers:
            how = next(how for how, number in ways.items() if number == numbers[0])
            claims.setdefault(numbers[0], {})[position] = how
    return claims


def _exercise(anchor: Any) -> str:
    return exercise_name(grade_id(anchor) or "")


def _answer(anchor: Any, positions: list[int], cells: Sequence[Any], check: int) -> tuple[int, int]:
    """The position of the answer that counts, and the number of others that were written as well."""
    written = [position for position in positions if _is_written(cells[position], anchor)]
    defining = [p for p in written if {*defined(cells[p].source)} & {*defined(anchor.source)}]
    code = [position for position in defining if cells[position].cell_type == "code"]
    best = code or defining or written or positions
    above = [position for position in best if position < check]
    return (above or best)[-1], len(code) - 1 if code else 0


def _is_written(cell: Any, anchor: Any) -> bool:
    return essence(cell) != essence(anchor)


def _shares_a_line(cell: Any, by_id: dict[str, int], wanted: Sequence[Any]) -> bool:
    """Whether a cell has anything of the wanted one with its id: some tools give ids anew."""
    number = by_id.get(cell["id"])
    return number is not None and any(len(line) > 9 for line in lines_of(cell) & lines_of(wanted[number]))
