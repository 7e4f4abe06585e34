"""The sample class of the demo: big enough, and each learner's expectation can fail."""

from pathlib import Path

import nbformat
import pytest

from autograder.demo.students import sample_class
from autograder.grading.result import Result
from autograder.grading.submission import Report
from autograder.notebooks.cells import grade_id, is_grade, is_solution

LAB = Path(__file__).resolve().parents[3] / "labs" / "05_fast_rcnn" / "fast_rcnn.ipynb"


@pytest.fixture(scope="module")
def students():
    return sample_class(nbformat.read(LAB, as_version=4))


def test_at_least_twelve_learners_with_names_of_their_own(students):
    assert len(students) >= 12
    assert len({student.name for student in students}) == len(students)


def test_answers_are_python_unless_they_must_not_be(students):
    broken = []
    for student in students:
        if isinstance(student.submission, bytes):
            continue
        for cell in student.submission.cells:
            if is_solution(cell):
                try:
                    compile(cell.source, grade_id(cell), "exec")
                except SyntaxError:
                    broken.append(student.name)
    assert broken == ["ned"]


def test_nobody_is_content_with_anything(students):
    """A report that is right for one learner is wrong for others."""
    graded = [cell.metadata.nbgrader for cell in nbformat.read(LAB, as_version=4).cells if is_grade(cell)]
    perfect = Report("x", tuple(Result(g.grade_id[5:], g.points, g.points, "correct") for g in graded))
    blank = Report("x", tuple(Result(g.grade_id[5:], 0.0, g.points, "not_attempted") for g in graded))
    for student in students:
        assert student.expect(perfect) or student.expect(blank), student.name
    assert [student.name for student in students if not student.expect(perfect)] == ["ada", "joe"]
    assert [student.name for student in students if not student.expect(blank)] == ["ben"]
