"""nbgrader's autograde in two halves, `prepare` and `record`; the execution between them is left to workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import ValidationError as SchemaError
from nbconvert.writers import FilesWriter
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, NbGraderException
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.nbgraderformat import ValidationError as MarksError
from sqlalchemy.exc import SQLAlchemyError

from autograder.grading.limits import Limits
from autograder.grading.publish import publish, stage_of, staging, tidy
from autograder.grading.submission import Report, digest_of, report_of
from autograder.notebooks.cells import NOTE
from autograder.notebooks.harmless import keep_pictures
from autograder.notebooks.released import read_release

from .course import Course, open_course
from .dates import handed_in
from .feedback import FeedbackWriter
from .preprocessors import RECORD, ExecuteSubmission, files_of, mark_unreadable, submission_seed
from .quiet import quiet
from .scores import entered


@dataclass
class Sanitised:
    """A notebook between the halves. An unreadable one is not to be executed."""

    notebook: Any
    seed: int
    files: dict[str, bytes]
    unreadable: bool


def released_notebooks(course: Course, lab: str) -> list[Path]:
    """The notebooks of a lab, which a submission must have, and whose grading marks it gets.

    Raises:
        ValueError: the lab was not released, or the marks are damaged.
    """
    released = sorted(course.path("release", ".", lab).glob("*.ipynb"))
    if not released:
        raise ValueError(f"{lab} has no released notebook: run `autograder release {lab}`")
    for path in released:
        try:
            MetadataValidator().validate_nb(read_release(path))
        except (SchemaError, MarksError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"the grading marks of {lab}/{path.name} are damaged ({reason}): run `autograder release {lab}`"
            ) from error
    return released


def take_other_names(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's pre_convert_hook: without it `nbgrader autograde` would pass over a notebook with another name."""
    submitted = Path(notebooks[0]).parent
    notebooks[:] = [
        str(submitted / path.name) for path in released_notebooks(open_course(Path.cwd()), assignment)
    ]


class LabWriter(Autograde):
    """The one who sanitises a lab's submissions and writes its gradebook, autograded/ and feedback/.

    Whatever is written for a submission, autograded/STUDENT/LAB comes last: when that is there, all of it is.
    """

    def __init__(self, root: Path, lab: str, run: str = "") -> None:
        """Open the course in ``root``; nothing is written yet. ``run`` is noted in what is.

        Raises:
            ValueError: the lab was not released, or the gradebook does not know it or cannot be read.
        """
        self.course = open_course(root, lab)
        super().__init__(coursedir=self.course.coursedir, config=self.course.config)
        self.lab, self._run, self._root = lab, run, root
        self._released = [path.name for path in released_notebooks(self.course, lab)]
        try:
            self.entered = entered(root, lab)
        except MissingEntry:
            raise ValueError(
                f"the gradebook does not know {lab}: run `autograder release {lab}` in this folder"
            ) from None
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"the gradebook cannot be read ({reason}); nothing was graded") from error
        self.writer = FilesWriter(parent=self, config=self.config)
        self._sanitiser = self._exporter_with(self.sanitize_preprocessors)
        self._recorder = self._exporter_with(RECORD)
        self._feedback = FeedbackWriter(self.course)
        self.limits: Limits = ExecuteSubmission(parent=self).limits
        self.unsafe: bool = ExecuteSubmission(parent=self).unsafe

    def prepare(self, student: str) -> dict[str, Sanitised]:
        """The notebooks of a submission by name, repaired and sanitised; only reads.

        Raises:
            ValueError: with nbgrader's messages.
        """
        submitted = self.course.path("submitted", student, self.lab)
        if not submitted.is_dir():
            raise ValueError(f"there is no folder {submitted}")
        digest, found = digest_of(submitted), {}
        complaints = handed_in(submitted)[1]
        with quiet() as said:
            try:
                for name in self._released:
                    resources = self.init_single_notebook_resources(str(submitted / name))
                    notebook, resources = self._sanitiser.sanitised(str(submitted / name), resources)
                    notebook.metadata[NOTE].update(submission=digest, run=self._run)
                    notebook.metadata[NOTE]["repairs"] += complaints
                    unreadable, files = mark_unreadable(notebook), files_of(self._sanitiser, resources)
                    seed = submission_seed(digest, self._root)
                    notebook.metadata[NOTE]["seed"] = seed
                    found[Path(name).stem] = Sanitised(notebook, seed, dict(files), unreadable)
            except NbGraderException as error:
                raise ValueError("; ".join(said) or str(error)) from error
        return found

    def record(self, student: str, notebooks: Mapping[str, Any], seconds: float) -> Report:
        """Write the graded notebooks and all that follows from them; doing it twice is doing it once.

        Args:
            student: whose.
            notebooks: executed, by name.
            seconds: that took; noted in them.

        Raises:
            ValueError: with nbgrader's messages.
            OSError: the disk is full, or a folder cannot be written.
            sqlalchemy.exc.SQLAlchemyError: the gradebook cannot be written.
        """
        submitted = self.course.path("submitted", student, self.lab)
        graded = self.course.path("autograded", student, self.lab)
        stage = staging(graded)
        with quiet() as said:
            try:
                self._enter(student, submitted)
                for name, notebook in notebooks.items():
                    notebook.metadata[NOTE]["seconds"] = round(seconds / len(notebooks), 2)
                    resources = self.init_single_notebook_resources(str(submitted / f"{name}.ipynb"))
                    output, resources = self._recorder.from_notebook_node(notebook, resources)
                    self.write_single_notebook(output, resources)
                for name, content in files_of(self, resources).items():
                    (stage / name).parent.mkdir(parents=True, exist_ok=True)
                    (stage / name).write_bytes(content)
                keep_pictures(stage)
                self.set_permissions(self.lab, student)
                self._feedback.write(student, stage)
            except NbGraderException as error:
                raise ValueError("; ".join(said) or str(error)) from error
        publish(stage, graded)
        return report_of(student, graded)

    def _enter(self, student: str, submitted: Path) -> None:
        """The gradebook's rows for a submission, as nbgrader makes them (its own way copies what links point to)."""
        timestamp, _ = handed_in(submitted)
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            if self.create_student:
                gradebook.update_or_create_student(student)
            given = {"timestamp": timestamp} if timestamp else {}
            gradebook.update_or_create_submission(self.lab, student, **given)

    def complete(self, student: str) -> None:
        """Write the feedback of a graded submission if there is none; remove what a killed run left beside it.

        Raises:
            OSError: the disk is full, or a folder cannot be written.
        """
        graded, feedback = (self.course.path(step, student, self.lab) for step in ("autograded", "feedback"))
        tidy(graded)
        tidy(feedback)
        if not any(feedback.glob("*.html")):
            with quiet():
                self._feedback.write(student, graded)

    def _exporter_with(self, preprocessors: list[Any]) -> Any:
        exporter = self.exporter_class(parent=self, config=self.config)
        exporter._preprocessors = []  # nbgrader's own way: none but these
        for preprocessor in preprocessors:
            exporter.register_preprocessor(preprocessor)
        return exporter

    def _format_dest(self, assignment_id: str, student_id: str, escape: bool = False) -> str:
        """Where nbgrader writes: a folder beside the one that is published when it is complete."""
        folder = Path(super()._format_dest(assignment_id, student_id, escape=escape))
        return str(stage_of(folder))
