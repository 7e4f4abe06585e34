"""Reading nbgrader's gradebook."""

from __future__ import annotations

from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from autograder.notebooks.cells import exercise_name

from .course import open_course


def scores(root: Path, lab: str) -> dict[str, dict[str, float]]:
    """Points by student and exercise, as the gradebook has them (manual grades included); empty before any grading."""
    course = open_course(root, lab)
    with Gradebook(course.coursedir.db_url, course.coursedir.course_id) as gradebook:
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
