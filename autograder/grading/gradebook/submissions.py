"""nbgrader's autograde in two halves, with the execution between them left to whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.writers import FilesWriter
from nbgrader.converters import Autograde, NbGraderException

from autograder.grading.files import Files
from autograder.grading.limits import Limits
from autograder.grading.submission import Report, digest_of, report_of
from autograder.notebooks.cells import NOTE

from .course import open_course
from .preprocessors import RECORD, ExecuteSubmission, files_of, mark_unreadable, submission_seed
from .quiet import quiet


@dataclass
class Sanitised:
    """A notebook between the halves. An unreadable one is not to be executed."""

    path: str
    notebook: Any
    resources: Any
    seed: int
    files: Files
    unreadable: bool


def expected_notebooks(root: Path, lab: str, submitted: Path) -> list[str]:
    """Paths of the notebooks a submission of a lab must have, whether they exist or the learner used other names.

    Raises:
        ValueError: the lab was not released.
    """
    released = sorted(open_course(root).path("release", ".", lab).glob("*.ipynb"))
    if not released:
        raise ValueError(f"{lab} has no released notebook: run `autograder release {lab}`")
    return [str(submitted / path.name) for path in released]


def take_other_names(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's pre_convert_hook: without it `nbgrader autograde` would pass over a notebook with another name."""
    notebooks[:] = expected_notebooks(Path.cwd(), assignment, Path(notebooks[0]).parent)


class SubmissionGrader(Autograde):
    """One student's submission of one lab: `prepare`, then run each notebook, then `finish`."""

    def __init__(self, root: Path, lab: str, student: str) -> None:
        """Open the course in ``root``; nothing is read or written yet."""
        course = open_course(root, lab, student)
        super().__init__(coursedir=course.coursedir, config=course.config)
        self.student, self.lab, self.root = student, lab, root

    def prepare(self) -> list[Sanitised]:
        """Repair and sanitise; the rows of the gradebook exist afterwards, autograded/ has no notebook yet."""
        with quiet() as said:
            try:
                return self._prepare()
            except NbGraderException as error:
                raise ValueError("; ".join(said) or str(error)) from error

    def _prepare(self) -> list[Sanitised]:
        submitted = Path(self._format_source(self.lab, self.student))
        if not submitted.is_dir():
            raise ValueError(f"there is no folder {submitted}")
        digest = digest_of(submitted)
        self.notebooks = expected_notebooks(self.root, self.lab, submitted)
        self.writer = FilesWriter(parent=self, config=self.config)
        self.exporter = self.exporter_class(parent=self, config=self.config)
        self.force = True
        self.init_destination(self.lab, self.student)
        self.init_assignment(self.lab, self.student)
        self._sanitizing = True
        self._init_preprocessors()
        found = []
        for path in self.notebooks:
            resources = self.init_single_notebook_resources(path)
            output, resources = self.exporter.from_filename(path, resources=resources)
            notebook = nbformat.reads(output, as_version=4)
            notebook.metadata[NOTE].update(submission=digest)
            unreadable, files = mark_unreadable(notebook), files_of(self, resources)
            seed = submission_seed(notebook, self.root)
            found.append(Sanitised(path, notebook, resources, seed, files, unreadable))
        return found

    @property
    def limits(self) -> Limits:
        """The course's deadlines."""
        return ExecuteSubmission(parent=self).limits

    def finish(self, sanitised: list[Sanitised], seconds: float) -> Report:
        """Write the executed notebooks to autograded/ and their points into the gradebook."""
        self._sanitizing = False
        self.autograde_preprocessors = RECORD
        self._init_preprocessors()
        with quiet():
            for one in sanitised:
                note = one.notebook.metadata[NOTE]
                note.update(seconds=round(seconds, 2), seed=one.seed)
                output, resources = self.exporter.from_notebook_node(one.notebook, one.resources)
                self.write_single_notebook(output, resources)
            self.set_permissions(self.lab, self.student)
        return report_of(self.student, Path(self._format_dest(self.lab, self.student)))
