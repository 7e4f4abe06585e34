"""What a cell of a lab is for: nbgrader's marks, the tag that skips it, and the comment line it can be found by."""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

SKIP = "skip-execution"  # tag of training and demo cells: learners run them, the grader does not
NOTE = "autograder"  # key of our own notes in the metadata of a notebook and of its cells

_COMMENT = re.compile(r"^#[ \t]*(exercise|check)[ \t]+(\d{1,4})[ \t]*:[ \t]*(\w+)[ \t]*$", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)


class Recovery(NamedTuple):
    """The line ``# exercise 31: roi_pool`` (or ``# check 31: roi_pool``), which survives any tool."""

    kind: str
    number: int
    name: str

    def __str__(self) -> str:
        """The line itself."""
        return f"# {self.kind} {self.number}: {self.name}"


def marks(cell: Any) -> dict[str, Any]:
    """nbgrader's metadata of a cell; empty when it has none (or something that is not a mapping)."""
    found = cell.get("metadata", {}).get("nbgrader", {})
    return found if isinstance(found, dict) else {}


def is_grade(cell: Any) -> bool:
    """Whether the cell is graded."""
    return marks(cell).get("grade") is True


def is_solution(cell: Any) -> bool:
    """Whether the learner's answer belongs into the cell."""
    return marks(cell).get("solution") is True


def is_skipped(cell: Any) -> bool:
    """Whether the grader leaves the cell out."""
    tags = cell.get("metadata", {}).get("tags", [])
    return isinstance(tags, list) and SKIP in tags


def grade_id(cell: Any) -> str | None:
    """nbgrader's name of the cell."""
    found = marks(cell).get("grade_id")
    return found if isinstance(found, str) and found else None


def exercise_name(grade_id: str) -> str:
    """``test_roi_pool`` checks the exercise ``roi_pool``."""
    return grade_id.removeprefix("test_")


def recovery(source: str) -> Recovery | None:
    """The first recovery comment in a cell's source."""
    match = _COMMENT.search(source)
    return Recovery(match[1], int(match[2]), match[3]) if match else None


def defined(source: str) -> list[str]:
    """Names of the functions and classes defined at the top level of a cell's source."""
    return _DEFINITION.findall(source)


def essence(cell: Any) -> str:
    """What a cell says, without what tools add and take away: blanks at ends of lines, empty lines, comment lines."""
    lines = [line.rstrip() for line in cell["source"].splitlines() if line.strip()]
    if cell["cell_type"] == "code":
        lines = [line for line in lines if not line.startswith("#")]
    return "\n".join(lines)


def in_one_line(text: str, most: int = 80) -> str:
    """A learner's word (a file name, an id) as a report may quote it."""
    return "".join(char if char.isprintable() else "?" for char in text[:most])


def stable_id(cell: Any, taken: set[str]) -> str:
    """A cell id that follows from the cell alone: its grade id, else a digest of its text; added to ``taken``."""
    name = grade_id(cell)
    if name:
        base = re.sub(r"[^a-zA-Z0-9_-]", "-", name)[:60]
    else:
        digest = hashlib.sha256(cell["source"].encode()).hexdigest()[:8]
        base = f"{cell['cell_type']}-{digest}"
    found, copy = base, 1
    while found in taken:
        copy += 1
        found = f"{base}-{copy}"
    taken.add(found)
    return found
