"""When a submission was handed in: what its timestamp.txt says, which the learner may have written."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc

from autograder.notebooks.untrusted import opened

LONGEST_DATE = 200  # bytes


def handed_in(submitted: Path) -> tuple[datetime | None, list[str]]:
    """The date, if there is one, and what is to be said of a file that holds none."""
    path = submitted / "timestamp.txt"
    if not os.path.lexists(path):
        return None, []
    try:
        with opened(path) as file:
            return parse_utc(file.read(LONGEST_DATE).decode().strip()), []
    except (OSError, ValueError, OverflowError):
        return None, ["timestamp.txt holds no date: taken as handed in on time"]


def _existing_timestamp(self: CourseDirectory, folder: str) -> datetime | None:
    return handed_in(Path(folder))[0]


# nbgrader's own would wait for a pipe, follow a link, and stop at what is no date
CourseDirectory.get_existing_timestamp = _existing_timestamp
