"""Where one cell ends and the next begins: merged cells are cut apart again, split functions joined."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import nbformat

from .cells import defined, essence, is_grade, is_skipped, is_solution, recovery
from .normalise import MOST_CELLS

LONGEST = 20_000  # characters of a cell that is looked at for open brackets
MOST_PARTS = 30  # cells, texts between them included, that one function is split over

Section = tuple[str, str]  # "exercise" or "check", and its name

_STRING = re.compile(
    r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'|"(?:[^"\\\n]++|\\.)*+"|\'(?:[^\'\\\n]++|\\.)*+\'|#[^\n]*'
)
_CANDIDATE = re.compile(
    r"^(?:#[ \t]*(?:exercise|check)\b|async[ \t]|def[ \t]|class[ \t]|check\()[^\n]*", re.MULTILINE
)
_CHECK_CALL = re.compile(r"check\((\w+)")
_RETURN = re.compile(r"^[ \t]+(?:return|yield|raise)\b", re.MULTILINE)


def restore_boundaries(cells: Sequence[Any], released: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The cells of a submission, cut and joined as in the release, and one line for each change."""
    names = {name for cell in released if is_solution(cell) or is_grade(cell) for name in _names(cell)}
    skipped = [cell for cell in released if is_skipped(cell)]
    report: list[str] = []
    cut: list[Any] = []
    for cell in cells:
        cut += _cut(cell, names, skipped, report)
    if len(cut) > MOST_CELLS:
        return list(cells), ["cells that merge more than a lab holds were left as they are"]
    return _join(cut, names, report), report


def _names(cell: Any) -> list[str]:
    line = recovery(cell.source)
    return [line.name] if line else defined(cell.source)


def _sections(source: str, names: set[str]) -> list[tuple[int, Section]]:
    """Where (line number) exercises and checks of the release begin in a source."""
    found: list[tuple[int, Section]] = []
    line, position = 0, 0
    for candidate in _CANDIDATE.finditer(source):
        line += source.count("\n", position, candidate.start())
        position = candidate.start()
        call = _CHECK_CALL.match(candidate[0])
        name = next(iter(defined(candidate[0])), None)
        if (comment := recovery(candidate[0])) and comment.name in names:
            found.append((line, (comment.kind, comment.name)))
        elif name in names:
            found.append((line, ("exercise", str(name))))
        elif call and call[1] in names and not found:  # behind an answer it is the learner's own
            found.append((line, ("check", call[1])))
    return found


# --- merged cells ----------------------------------------------------------------------------------------


def _cut(cell: Any, names: set[str], skipped: Iterable[Any], report: list[str]) -> list[Any]:
    """The parts of a cell in which several cells of the release were merged; else the cell itself."""
    if cell.cell_type == "markdown" and "```" in cell.source:
        return [cell]  # code shown in a text
    sections = _sections(cell.source, names)
    places = _parts_not_run(cell, skipped)
    if len(sections) < 2 and not places:
        return [cell]
    lines = cell.source.split("\n")
    places |= _beginnings(lines, sections)
    starts = sorted(places & set(range(1, len(lines))))
    if not starts:
        return [cell]
    parts = [
        "\n".join(lines[start:end]).strip("\n")
        for start, end in zip([0, *starts], [*starts, len(lines)], strict=True)
    ]
    made = [nbformat.from_dict({**cell, "source": parts[0]})]
    made += [nbformat.v4.new_code_cell(part, id="part") for part in parts[1:] if part.strip()]
    inside = ", ".join(dict.fromkeys(name for _, (_, name) in sections))
    what = f" with {inside}" if inside else ""
    report.append(f"a cell{what} was cut into the {len(made)} cells of the lab that had been merged in it")
    return made


def _beginnings(lines: list[str], sections: list[tuple[int, Section]]) -> set[int]:
    """Lines in which another exercise or check begins than the one before it."""
    places: set[int] = set()
    marked = {number for number, _ in sections}
    for (_, before), (number, section) in itertools.pairwise(sections):
        if section != before:
            start = number
            while lines[start - 1].startswith(("@", "#")) and start - 1 not in marked:
                start -= 1  # decorators and comments belong to what follows
            places.add(start)
    return places


def _parts_not_run(cell: Any, skipped: Iterable[Any]) -> set[int]:
    """First lines of, and behind, the training and demo cells that stand whole in a larger cell."""
    places = set()
    for part in skipped:
        start = cell.source.find(part.source)
        at_line = start == 0 or cell.source[start - 1 : start] == "\n"
        if start >= 0 and at_line and essence(cell) != essence(part):
            first = cell.source.count("\n", 0, start)
            places |= {first, first + part.source.count("\n") + 1}
    return places


# --- split cells -----------------------------------------------------------------------------------------


def _join(cells: list[Any], names: set[str], report: list[str]) -> list[Any]:
    """The cells, with functions of exercises that were split over several of them whole again."""
    joined: list[Any] = []
    position = 0
    while position < len(cells):
        cell = cells[position]
        rest = _continuation(cells, position, names) if cell.cell_type == "code" else []
        if rest:
            whole = "\n".join([cell.source.rstrip("\n"), *(cells[n].source.strip("\n") for n in rest)])
            cell = nbformat.from_dict({**cell, "source": whole})
            name = next(name for name in [*_names(cell), *defined(whole)] if name in names)
            report.append(f"{name}: it was split over {len(rest) + 1} cells, which were joined")
        joined.append(cell)
        texts = range(position + 1, rest[-1]) if rest else ()
        joined += [cells[n] for n in texts if n not in rest]
        position = rest[-1] + 1 if rest else position + 1
    return joined


def _continuation(cells: list[Any], position: int, names: set[str]) -> list[int]:
    """Numbers of the cells that go on with the exercise in the cell at ``position``."""
    first = cells[position].source
    own = {section for _, section in _sections(first, names)}
    if not own:
        return []
    rest: list[int] = []
    so_far = first
    for number in range(position + 1, min(position + MOST_PARTS, len(cells))):
        source = cells[number].source
        if cells[number].cell_type != "code" or not source.strip():
            continue
        if {section for _, section in _sections(source, names)} - own or not (
            _is_indented(source) or _is_open(so_far)
        ):
            break
        rest.append(number)
        so_far = f"{so_far}\n{source}"
    # A cell that is indented as a whole runs by itself in Jupyter. It is a rest only if the function lacks its end.
    lacked = _is_open(first) or _RETURN.search(so_far[len(first) :]) or not _RETURN.search(first)
    return rest if lacked and not _is_open(so_far) else []


def _is_indented(source: str) -> bool:
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines) and lines[0][0] in " \t"


def _is_open(source: str) -> bool:
    """Whether the code stops where anything may follow: in a bracket, behind a backslash or a decorator."""
    if len(source) > LONGEST:
        return False
    code = _STRING.sub(lambda found: '""' if found[0][0] != "#" else "", source)
    last = next((line.rstrip() for line in reversed(code.splitlines()) if line.strip()), "")
    brackets = sum(code.count(mark) for mark in "([{") - sum(code.count(mark) for mark in ")]}")
    return brackets > 0 or last.endswith("\\") or last.startswith("@")
