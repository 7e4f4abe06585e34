"""Reading nbgrader's gradebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import or_
from sqlalchemy.exc import SQLAlchemyError

from autograder.notebooks.cells import exercise_name

from .course import open_course


@contextmanager
def _opened(root: Path, lab: str) -> Iterator[Gradebook]:
    course = open_course(root, lab)
    with Gradebook(course.coursedir.db_url, course.coursedir.course_id) as gradebook:
        yield gradebook


def scores(root: Path, lab: str) -> dict[str, dict[str, float]]:
    """Points by student and exercise, as the gradebook has them (manual grades included); empty before any grading."""
    with _opened(root, lab) as gradebook:
        try:
            submissions = gradebook.find_assignment(lab).submissions
        except MissingEntry:
            return {}
        return {
            submission.student.id: {
                exercise_name(grade.name): float(grade.score)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in submissions
        }


def totals(root: Path, lab: str) -> dict[str, float]:
    """What counts, by student: with manual grades, without the penalty for handing in late; as nbgrader exports it.

    Empty when it cannot be read just now: the results of a run are told without it.
    """
    submitted = SubmittedAssignment
    try:
        with _opened(root, lab) as gradebook:
            rows = gradebook.db.query(
                submitted.student_id, submitted.score, submitted.late_submission_penalty
            )
            rows = rows.filter(submitted.assignment_id == gradebook.find_assignment(lab).id)
            return {student: max(0.0, score - (penalty or 0.0)) for student, score, penalty in rows}
    except SQLAlchemyError:
        return {}


def entered(root: Path, lab: str) -> set[str]:
    """The students of whom the gradebook has the results of a grading.

    Raises:
        MissingEntry: it does not know the lab.
    """
    with _opened(root, lab) as gradebook:
        rows = gradebook.db.query(SubmittedAssignment.student_id)
        rows = rows.join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        rows = rows.join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        rows = rows.filter(
            SubmittedAssignment.assignment_id == gradebook.find_assignment(lab).id,
            or_(Grade.auto_score.isnot(None), Grade.needs_manual_grade),
        )
        return {student for (student,) in rows.distinct()}
