"""Our steps that read a table once leave what nbgrader's own leave, which ask for each cell."""

import copy
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader import preprocessors as stock
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import compute_checksum

from autograder.grading.gradebook import rows

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own, of each new row

STUDENTS = ("ada", "ben")
NOTEBOOKS = ("first", "second")
POINTS = {"check": 4.0, "essay": 5.0, "project": 6.0}


def cell(name, points=None, **marks):
    made = (
        nbformat.v4.new_markdown_cell(f"about {name}")
        if name == "project"
        else nbformat.v4.new_code_cell(name)
    )
    made.metadata.nbgrader = {"grade_id": name, "schema_version": 3, "locked": False, "grade": False} | marks
    if points is not None:
        made.metadata.nbgrader["points"] = points
    made.metadata.nbgrader["checksum"] = compute_checksum(made)
    return made


def notebook():
    """An answer and its check, a cell graded by hand, a task, and one without marks."""
    cells = [
        cell("answer", solution=True, task=False),
        cell("check", POINTS["check"], grade=True, solution=False, task=False, locked=True),
        cell("essay", POINTS["essay"], grade=True, solution=True, task=False),
        cell("project", POINTS["project"], solution=False, task=True, locked=True),
    ]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import torch"), *cells])


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Two notebooks of two students; each row of a notebook says whose it is, or a mix-up would not show."""
    path = tmp_path_factory.mktemp("rows") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PATH", str(Path(sys.executable).parent), prepend=os.pathsep
        )  # `alembic`, called by name
        Gradebook(f"sqlite:///{path}").close()
    with Gradebook(f"sqlite:///{path}") as book:
        book.add_assignment("lab")
        for name in NOTEBOOKS:
            book.add_notebook(name, "lab")
            for made in notebook().cells[1:]:
                marks = made.metadata.nbgrader
                where = (marks.grade_id, name, "lab")
                text = f"{made.source} of {name}" if marks.locked else made.source
                released = copy.deepcopy(made) | {"source": text}
                book.add_source_cell(
                    *where, cell_type=made.cell_type, source=text, locked=marks.locked,
                    checksum=compute_checksum(nbformat.from_dict(released)),
                )  # fmt: skip
                if marks.task:
                    book.add_task_cell(*where, max_score=marks.points, cell_type=made.cell_type)
                    continue
                if marks.grade:
                    book.add_grade_cell(*where, max_score=marks.points, cell_type=made.cell_type)
                if marks.solution:
                    book.add_solution_cell(*where)
        for number, student in enumerate(STUDENTS):
            book.add_student(student)
            submission = book.add_submission("lab", student)
            for submitted in submission.notebooks:
                submitted.late_submission_penalty = 0.5 if student == "ben" else None
                for place, grade in enumerate(submitted.grades):
                    grade.auto_score, grade.extra_credit = place + 0.25, number
                    grade.manual_score = 1.5 if grade.name == "essay" else None
                for comment in submitted.comments:
                    comment.manual_comment = f"{student} {submitted.name} {comment.name}"
        book.db.commit()
    return path


@pytest.fixture
def url(filled, tmp_path):
    return f"sqlite:///{shutil.copy(filled, tmp_path)}"


def resources(url, student="ben", name="second"):
    ids = {"notebook": name, "assignment": "lab", "student": student, "db_url": url}
    return {"nbgrader": ids}


def contents(url):
    with Gradebook(url) as book:
        submissions = book.find_assignment("lab").submissions
        notebooks = [notebook for submission in submissions for notebook in submission.notebooks]
        grades = [grade.to_dict() for notebook in notebooks for grade in notebook.grades]
        return grades, [comment.to_dict() for notebook in notebooks for comment in notebook.comments]


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_page_gets_the_same_points_and_comments(url, student, name):
    graded = notebook()
    ours, mine = rows.GetGrades()(copy.deepcopy(graded), resources(url, student, name))
    theirs, their_own = stock.GetGrades()(copy.deepcopy(graded), resources(url, student, name))
    assert ours == theirs != graded
    assert mine["nbgrader"] == their_own["nbgrader"]
    assert ours.cells[1].metadata.nbgrader.comment == f"{student} {name} answer"
    assert mine["nbgrader"]["late_penalty"] == (0.5 if student == "ben" else 0)
    assert [cell.metadata.nbgrader.get("points") for cell in ours.cells[1:]] == [None, *POINTS.values()]


def test_the_gradebook_gets_the_same_points_and_comments(url, tmp_path):
    graded = notebook()
    graded.cells[2].outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "3.5"}, execution_count=None)
    ]
    graded.cells[1].source += "\nreturn 1"
    before = contents(url)
    shutil.copy(tmp_path / "gradebook.db", tmp_path / "theirs.db")
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    rows.SaveGrades()(copy.deepcopy(graded), resources(url))
    stock.SaveAutoGrades()(copy.deepcopy(graded), resources(theirs))
    assert contents(url) == contents(theirs) != before


def test_no_point_is_saved_where_one_cannot_be(url):
    graded = notebook()
    graded.cells[-1].metadata.nbgrader.grade_id = "unknown"
    before = contents(url)
    with pytest.raises(MissingEntry, match="unknown"):
        rows.SaveGrades()(graded, resources(url))
    assert contents(url) == before


def test_marks_and_checks_are_overwritten_alike(url):
    tampered = notebook()
    _, answer, check, essay, project = tampered.cells
    check.source, check.metadata.nbgrader["points"] = "100", 100
    check.metadata.nbgrader["locked"] = False
    essay.metadata.nbgrader["points"] = 50
    project.source = "nothing to do"
    answer.metadata.nbgrader["checksum"] = "0"
    tampered.cells.append(cell("invented", 99, grade=True, solution=False, task=False))
    ours, _ = rows.OverwriteCells()(copy.deepcopy(tampered), resources(url))
    theirs, _ = stock.OverwriteCells()(copy.deepcopy(tampered), resources(url))
    assert ours == theirs != tampered
    assert (ours.cells[2].source, ours.cells[2].metadata.nbgrader.points) == ("check of second", 4)
    assert "grade_id" not in ours.cells[-1].metadata.nbgrader
