"""What there is to grade: the labs that are released, who handed in, and what lies in a wrong place."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from .gradebook import open_course


def released_labs(root: Path) -> list[str]:
    """The labs with a released notebook."""
    found = open_course(root).path("release", ".", "*")
    return sorted({path.parent.name for path in found.parent.glob("*/*.ipynb")})


def require_lab(root: Path, lab: str) -> None:
    """Make sure that a lab is released.

    Raises:
        ValueError: it is not; the message says which are.
    """
    labs = released_labs(root)
    if not labs:
        raise ValueError(f"no lab is released in {root}: run `autograder release` there")
    if lab not in labs:
        near = difflib.get_close_matches(lab, labs, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"the labs are {', '.join(labs)}"
        raise ValueError(f'no lab called "{lab}" is released: {hint}')


def students_of(root: Path, lab: str) -> list[str]:
    """Everyone with a folder submitted/STUDENT/LAB."""
    folders = _submitted(root).glob(f"*/{lab}")
    return sorted({folder.parent.name for folder in folders if folder.is_dir()} - _excluded(root))


def misplaced(root: Path) -> list[str]:
    """One line for each thing in submitted/ that no run will grade, since it lies in no folder of a released lab."""
    labs, excluded, lines = set(released_labs(root)), _excluded(root), []
    for student in sorted(_submitted(root).glob("[!.]*")):
        if student.name in excluded:
            continue
        for found in sorted(student.glob("[!.]*")) if student.is_dir() else [student]:
            if found.name not in labs or not found.is_dir():
                owner = student.name if student.is_dir() else "STUDENT"
                place = f"submitted/{owner}/{'LAB' if len(labs) != 1 else min(labs)}/"
                where = found.relative_to(student.parent)
                lines.append(f"submitted/{where} is not graded: what is handed in belongs into {place}")
    return lines


def select(root: Path, lab: str | None, students: Sequence[str] = ()) -> dict[str, list[str]]:
    """Who is to be graded, by lab; without ``lab`` all labs that somebody handed in.

    Raises:
        ValueError: there is no such lab, no such student, or nobody handed in; the message says what there is.
    """
    labs = released_labs(root)
    if lab is not None or not labs:
        require_lab(root, lab or "")
    known = {name: students_of(root, name) for name in ([lab] if lab else labs)}
    everyone = {student for found in known.values() for student in found}
    if not everyone:
        raise ValueError(
            f"no submissions of {lab or 'any lab'}: they belong into {root}/submitted/STUDENT/{lab or 'LAB'}/"
        )
    wanted = {Path(student).name for student in students}  # submitted/ada is ada as well
    if missing := sorted(wanted - everyone):
        near = difflib.get_close_matches(missing[0], sorted(everyone), n=1, cutoff=0.5)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ValueError(f"no submission of {lab or 'any lab'} by {', '.join(missing)}{hint}")
    chosen = {
        name: [student for student in found if not students or student in wanted]
        for name, found in known.items()
    }
    return {name: found for name, found in chosen.items() if found}


def _submitted(root: Path) -> Path:
    return Path(open_course(root).coursedir.format_path("submitted", "", ""))


def _excluded(root: Path) -> set[str]:
    return set(open_course(root).coursedir.student_id_exclude.split(","))
