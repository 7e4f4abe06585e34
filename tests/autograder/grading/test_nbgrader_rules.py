"""What nbgrader does beside points: late penalties, extra credit, cells graded by hand; and its own autograde."""

import datetime
import gc
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde

from autograder.grading import graders
from autograder.grading.batch import Options, grade
from autograder.grading.gradebook import open_course, scores
from autograder.isolation import jail

LAB = "03_essay"
ROOT = Path(__file__).resolve().parents[3]
STUB = 'raise NotImplementedError("write me")'
ANSWER = """size = (pred - target).abs()
    return size if beta == 0 else torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)"""
MASTER = """\
# %%
import torch
from autograder import check

# %% nbgrader={"grade_id": "smooth_l1", "solution": true}
def smooth_l1(pred, target, beta=1.0):
    ### BEGIN SOLUTION
    size = (pred - target).abs()
    return size if beta == 0 else torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_smooth_l1", "grade": true}
check(smooth_l1)
### BEGIN HIDDEN TESTS
check(smooth_l1, hidden=True)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "essay", "grade": true, "solution": true, "points": 5}
# Why is it called smooth?
"""

pytestmark = pytest.mark.skipif(bool(jail.problem()), reason="no jail on this machine")


@pytest.fixture(scope="module")
def released_essay(tmp_path_factory):
    from autograder.notebooks.release import release

    root = tmp_path_factory.mktemp("essay") / "course"
    (root / "solutions" / LAB).mkdir(parents=True)
    (root / "solutions" / LAB / "essay.py").write_text(MASTER)
    config = (ROOT / "nbgrader_config.py").read_text() + '\nc.LateSubmissionPlugin.penalty_method = "zero"\n'
    (root / "nbgrader_config.py").write_text(config)
    release(root)
    return root


@pytest.fixture
def course(released_essay, tmp_path):
    """Ada solved the exercise and wrote an answer; Ben did, too, and left the essay as it was."""
    root = tmp_path / "course"
    shutil.copytree(released_essay, root)
    for student in ("ada", "ben"):
        notebook = nbformat.read(root / "labs" / LAB / "essay.ipynb", as_version=4)
        for cell in notebook.cells:
            cell.source = cell.source.replace(STUB, ANSWER)
            if student == "ada" and cell.metadata.get("nbgrader", {}).get("grade_id") == "essay":
                cell.source += "\n\nBecause its slope has no jump."
        folder = root / "submitted" / student / LAB
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / "essay.ipynb")
    return root


def gradebook(course):
    return Gradebook(open_course(course).coursedir.db_url, "beyond-classification")


def grade_of(book, cell, student):
    return book.find_grade(cell, "essay", LAB, student)


def test_what_a_person_must_grade_waits_for_one(course):
    grade(course, LAB)
    with gradebook(course) as book:
        assert grade_of(book, "essay", "ada").needs_manual_grade
        assert grade_of(book, "essay", "ada").auto_score is None
        assert grade_of(book, "essay", "ben").auto_score == 0  # unchanged: nothing to read
        assert not grade_of(book, "essay", "ben").needs_manual_grade


def test_grades_by_hand_and_extra_credit_survive_regrading(course):
    grade(course, LAB)
    with gradebook(course) as book:
        essay, exercise = grade_of(book, "essay", "ada"), grade_of(book, "test_smooth_l1", "ada")
        essay.manual_score, essay.needs_manual_grade = 4.5, False
        exercise.extra_credit = 1.5
        comment = book.find_comment("smooth_l1", "essay", LAB, "ada")
        comment.manual_comment = "a nice way to write it"
        book.db.commit()
    grade(course, LAB, ["ada"], Options(force=True))
    assert scores(course, LAB)["ada"] == {"smooth_l1": 4 + 1.5, "essay": 4.5}
    with gradebook(course) as book:
        assert book.find_comment("smooth_l1", "essay", LAB, "ada").comment == "a nice way to write it"
        assert grade_of(book, "essay", "ada").needs_manual_grade  # to be looked at again, as nbgrader says
    assert "a nice way to write it" in (course / "feedback" / "ada" / LAB / "essay.html").read_text()


def test_late_submissions_lose_what_the_instructors_rule_says(course):
    with gradebook(course) as book:
        book.update_or_create_assignment(LAB, duedate=datetime.datetime(2026, 1, 2, 12))
    for student, day in (("ada", 1), ("ben", 3)):
        (course / "submitted" / student / LAB / "timestamp.txt").write_text(f"2026-01-0{day} 12:00:00 UTC")
    grade(course, LAB)
    with gradebook(course) as book:
        penalties = {
            student: book.find_submission_notebook("essay", LAB, student).late_submission_penalty
            for student in ("ada", "ben")
        }
        points = book.find_submission_notebook("essay", LAB, "ben").score
        assert book.find_submission(LAB, "ben").total_seconds_late == 24 * 3600
    assert penalties == {"ada": None, "ben": points}
    assert points == 4
    assert "Late submission penalty" in (course / "feedback" / "ben" / LAB / "essay.html").read_text()


def test_nbgraders_autograde_warms_up_once_and_lets_go(course, monkeypatch):
    """As nbgrader's command and the Formgrader call it."""
    made = []

    class Counted(graders.Graders):
        def __init__(self, *arguments, **options):
            made.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(graders, "Graders", Counted)
    opened = open_course(course, LAB)
    converter = Autograde(coursedir=opened.coursedir, config=opened.config)
    converter.start()
    assert len(made) == 1
    assert os.path.exists(f"/proc/{made[0].student.pid}")
    by_nbgrader = scores(course, LAB)
    del converter
    gc.collect()
    assert not os.path.exists(f"/proc/{made[0].student.pid}")
    grade(course, LAB, options=Options(force=True))
    assert scores(course, LAB) == by_nbgrader
    assert by_nbgrader["ada"]["smooth_l1"] == by_nbgrader["ben"]["smooth_l1"] == 4


def test_where_there_is_no_jail_nbgrader_says_what_to_do(course, monkeypatch, caplog):
    monkeypatch.setattr(jail, "problem", lambda: "unshare: not permitted")
    opened = open_course(course, LAB, "ada")
    with pytest.raises(Exception, match="error"):
        Autograde(coursedir=opened.coursedir, config=opened.config).start()
    assert "c.ExecuteSubmission.unsafe = True" in caplog.text
    assert not (course / "autograded" / "ada" / LAB).exists()
    opened.config.ExecuteSubmission.unsafe = True
    opened = open_course(course, LAB, "ada")
    opened.config.ExecuteSubmission.unsafe = True
    Autograde(coursedir=opened.coursedir, config=opened.config).start()
    assert scores(course, LAB)["ada"]["smooth_l1"] == 4
    assert (course / "autograded" / "ada" / LAB / "essay.ipynb").is_file()


def test_what_lies_in_the_way_of_recording_is_passed_over(course):
    folder = course / "submitted" / "ben" / LAB
    (folder / "timestamp.txt").write_text("tomorrow, perhaps")
    (folder / "other" / "essay.ipynb").mkdir(parents=True)
    (folder / "other" / "essay.ipynb" / "file").write_text("")
    (course / "submitted" / "ada" / LAB / "timestamp.txt").mkdir()
    ada, ben = grade(course, LAB)
    assert ada.problem is ben.problem is None
    assert ada.points == ben.points == 4
