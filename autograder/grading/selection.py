"""What there is to grade: the labs that are released, and who handed in."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from .gradebook import open_course


def released_labs(root: Path) -> list[str]:
    """The labs with a released notebook."""
    found = open_course(root).path("release", ".", "*")
    return sorted({path.parent.name for path in found.parent.glob("*/*.ipynb")})


def students_of(root: Path, lab: str) -> list[str]:
    """Everyone with a folder submitted/STUDENT/LAB."""
    coursedir = open_course(root).coursedir
    submitted = Path(coursedir.format_path("submitted", "", ""))
    excluded = coursedir.student_id_exclude.split(",")
    found = (folder.parent.name for folder in submitted.glob(f"*/{lab}") if folder.is_dir())
    return sorted(student for student in found if student not in excluded)


def select(root: Path, lab: str | None, students: Sequence[str] = ()) -> dict[str, list[str]]:
    """Who is to be graded, by lab; without ``lab`` all labs that somebody handed in.

    Raises:
        ValueError: there is no such lab, no such student, or nobody handed in; the message says what there is.
    """
    labs = released_labs(root)
    if not labs:
        raise ValueError(f"no lab is released in {root}: run `autograder release` there")
    if lab is not None and lab not in labs:
        near = difflib.get_close_matches(lab, labs, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"the labs are {', '.join(labs)}"
        raise ValueError(f'no lab called "{lab}" is released: {hint}')
    known = {name: students_of(root, name) for name in ([lab] if lab else labs)}
    if not any(known.values()):
        raise ValueError(
            f"no submissions of {lab or 'any lab'}: they belong into {root}/submitted/STUDENT/{lab or 'LAB'}/"
        )
    if missing := sorted(set(students) - {student for found in known.values() for student in found}):
        raise ValueError(f"no submission of {lab or 'any lab'} by {', '.join(missing)}")
    chosen = {
        name: [student for student in found if not students or student in students]
        for name, found in known.items()
    }
    return {name: found for name, found in chosen.items() if found}
