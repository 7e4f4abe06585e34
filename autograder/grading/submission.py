"""What is known of one student's submission of one lab, as values."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.notebooks.cells import NOTE, is_grade
from autograder.notebooks.untrusted import entries, opened

from .record import recorded
from .result import Result

MOST_BYTES = 2**30  # of a submission that its digest depends on


@dataclass(frozen=True)
class Report:
    """A graded submission. ``problem`` is set when the file could not be read or the grading itself failed."""

    student: str
    results: tuple[Result, ...] = ()
    repairs: tuple[str, ...] = ()
    problem: str | None = None
    seconds: float = 0.0

    @property
    def points(self) -> float:
        """Sum over the exercises."""
        return sum(result.points for result in self.results)

    @property
    def possible(self) -> float:
        """What a perfect submission gets."""
        return sum(result.possible for result in self.results)


def digest_of(folder: Path) -> str:
    """Digest of all that a learner handed in: a submission that changed is graded again, with other hidden cases.

    Links are not followed; of what is very large only the size counts.
    """
    digest = hashlib.sha256()
    room = MOST_BYTES
    for entry in entries(folder):
        digest.update(os.fsencode(os.path.relpath(entry.path, folder)) + b"\0")
        with suppress(OSError), opened(Path(entry.path)) as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(b"%d\0" % size)
            while room > 0 and (part := file.read(2**20)):
                digest.update(part)
                room -= len(part)
    return digest.hexdigest()


def report_of(student: str, folder: Path) -> Report:
    """The report kept in the graded notebooks of ``folder`` (autograded/STUDENT/LAB)."""
    results: list[Result] = []
    repairs: list[str] = []
    problem, seconds = None, 0.0
    for path in sorted(folder.glob("*.ipynb")):
        notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))  # written by us, and valid
        note = notebook.metadata[NOTE]
        repairs += note["repairs"]
        problem = note["unreadable"] or problem
        seconds += note.get("seconds", 0.0)
        results += [result for cell in notebook.cells if is_grade(cell) and (result := recorded(cell))]
    return Report(student, tuple(results), tuple(repairs), problem, seconds)


def is_graded(submitted: Path, autograded: Path, run: str | None = None) -> bool:
    """Whether autograded/ holds the results of exactly what is in ``submitted`` now (and of this ``run``)."""
    graded = sorted(autograded.glob("*.ipynb"))
    try:
        notes = [json.loads(path.read_text(encoding="utf-8"))["metadata"][NOTE] for path in graded]
        if run is not None and {note["run"] for note in notes} != {run}:
            return False
        return bool(notes) and {note["submission"] for note in notes} == {digest_of(submitted)}
    except (OSError, ValueError, KeyError, TypeError):
        return False
