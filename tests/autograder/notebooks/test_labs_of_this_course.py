"""labs/ as it is in the repository: made from the masters, without anything that learners must not see."""

from pathlib import Path

import nbformat
import pytest

from autograder import exercises
from autograder.notebooks.cells import exercise_name, grade_id, is_grade, is_skipped, is_solution, recovery
from autograder.notebooks.freshness import stale
from autograder.notebooks.leaks import leaks, secret_lines

ROOT = Path(__file__).resolve().parents[3]
LABS = sorted((ROOT / "labs").glob("*/*.ipynb"))


def test_nothing_is_stale():
    assert stale(ROOT) == [], "run `autograder release` and commit what it writes"


def test_nothing_leaks():
    assert leaks(ROOT) == []


def test_the_leak_test_has_something_to_look_for():
    assert len(secret_lines(ROOT / "solutions" / "05_fast_rcnn")) > 20


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_every_exercise_has_its_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    graded = {exercise_name(grade_id(cell)): cell for cell in cells if is_grade(cell)}
    answers = {grade_id(cell): cell for cell in cells if is_solution(cell)}
    assert graded.keys() == answers.keys()
    for name, cell in graded.items():
        exercise = exercises.load(name)
        assert cell.metadata.nbgrader.points == exercise.points
        assert recovery(cell.source) == ("check", exercise.number, name)
        assert recovery(answers[name].source) == ("exercise", exercise.number, name)
        assert f"def {name}(" in answers[name].source or f"class {name}" in answers[name].source
        assert not is_skipped(cell)
        assert not is_skipped(answers[name])
