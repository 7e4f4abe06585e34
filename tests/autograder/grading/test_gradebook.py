"""A class graded twice: by `grade` and by nbgrader's own commands; the gradebook says what the results say."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.grading.batch import Options, grade
from autograder.grading.gradebook import open_course, scores
from autograder.grading.selection import students_of
from autograder.grading.submission import is_graded

LAB = "03_boxes"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def graded(fresh_boxes_course, submission, answers, hand_in, tmp_path_factory):
    """A class: perfect, stripped of metadata, crashing, not JSON, blank, with files beside it; graded once."""
    root = tmp_path_factory.mktemp("class") / "course"
    shutil.copytree(fresh_boxes_course, root)
    blank = 'raise NotImplementedError("write me")'
    hand_in(root, "blank", submission(xyxy_to_cxcywh=blank, smooth_l1=blank, cxcywh_to_xyxy=blank))
    hand_in(root, "crash", submission(smooth_l1="import os; os._exit(1)"))
    with_files = submission(smooth_l1=f"import own\n    own.look()\n    {answers['smooth_l1']}")
    own = b"def look():\n    assert open('data/numbers.csv').read() == '1,2'"
    hand_in(root, "files", with_files, {"own.py": own, "data/numbers.csv": b"1,2"})
    (root / "submitted" / "files" / LAB / "peek.png").symlink_to(root / "gradebook.db.seed")
    hand_in(root, "not_json", b"%PDF-1.4")
    hand_in(root, "perfect", submission())
    stripped = submission()
    for cell in stripped.cells:
        cell.metadata = nbformat.from_dict({})
    hand_in(root, "stripped", stripped)
    hand_in(root, "renamed", submission())
    (root / "submitted" / "renamed" / LAB / "boxes.ipynb").rename(
        root / "submitted" / "renamed" / LAB / "lab3 final (2).ipynb"
    )
    seen = []
    reports = grade(root, LAB, on_report=lambda report, resumed: seen.append((report.student, resumed)))
    return root, {report.student: report for report in reports}, seen


def test_points_and_reasons(graded):
    root, reports, seen = graded
    assert students_of(root, LAB) == sorted(reports) == sorted(student for student, _ in seen)
    assert not any(resumed for _, resumed in seen)
    assert {name: report.points for name, report in reports.items()} == {
        "blank": 0,
        "crash": 4,
        "files": 8,
        "not_json": 0,
        "perfect": 8,
        "renamed": 8,
        "stripped": 8,
    }
    assert reports["renamed"].repairs == ("“lab3 final (2).ipynb” was taken for boxes.ipynb",)
    assert len(reports["stripped"].repairs) == 1
    assert "is not a notebook" in reports["not_json"].problem
    assert {result.status for result in reports["not_json"].results} == {"unreadable"}
    assert reports["crash"].results[1].status == "crashed"


def test_a_link_handed_in_shows_nothing(graded):
    """nbgrader copies what it points to; feedback would hand it out."""
    root, reports, _ = graded
    assert reports["files"].repairs == ("peek.png was left out: it is a link",)
    secret = (root / "gradebook.db.seed").read_text()
    for step in ("autograded", "feedback"):
        folder = root / step / "files" / LAB
        assert not [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text()]


def test_gradebook_equals_results(graded):
    root, reports, _ = graded
    expected = {
        name: {result.exercise: result.points for result in report.results}
        for name, report in reports.items()
    }
    assert scores(root, LAB) == expected


def test_feedback_is_written_and_tells_no_secrets(graded):
    root, reports, _ = graded
    secret = (root / "gradebook.db.seed").read_text()
    for student in reports:
        page = (root / "feedback" / student / LAB / "boxes.html").read_text()
        assert "hidden=True)" not in page  # the source of the hidden check; an outcome names its seed as well
        assert "BEGIN HIDDEN TESTS" not in page
        assert secret not in page
    assert (
        "did it exit, or run out of memory?" in (root / "feedback" / "crash" / LAB / "boxes.html").read_text()
    )
    page = (root / "feedback" / "blank" / LAB / "boxes.html").read_text()
    assert re.search('href="#test_smooth_l1"[^>]*><code>smooth_l1</code>', page)
    assert "is not a notebook" in (root / "feedback" / "not_json" / LAB / "boxes.html").read_text()
    assert (
        "The grader repaired this notebook"
        in (root / "feedback" / "stripped" / LAB / "boxes.html").read_text()
    )


def test_what_is_graded_is_not_graded_again(graded):
    root, reports, _ = graded
    seen = []
    again = grade(root, LAB, on_report=lambda report, resumed: seen.append(resumed))
    assert all(seen)
    assert {report.student: report for report in again} == reports


def test_a_changed_submission_is_graded_again(graded):
    root, _, _ = graded
    submitted, autograded = (root / step / "blank" / LAB for step in ("submitted", "autograded"))
    assert is_graded(submitted, autograded)
    path = submitted / "boxes.ipynb"
    original = path.read_bytes()
    notebook = json.loads(original)
    notebook["metadata"]["changed"] = True
    path.write_text(json.dumps(notebook))
    assert not is_graded(submitted, autograded)
    path.write_bytes(original)


def test_manual_grades_survive(graded):
    from nbgrader.api import Gradebook

    root, _, _ = graded
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        cell = gradebook.find_grade("test_smooth_l1", "boxes", LAB, "blank")
        cell.manual_score, cell.needs_manual_grade = 3.0, False
        gradebook.db.commit()
    (report,) = grade(root, LAB, ["blank"], Options(force=True))
    assert report.points == 0
    assert scores(root, LAB)["blank"] == {"xyxy_to_cxcywh": 0, "smooth_l1": 3, "cxcywh_to_xyxy": 0}
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("test_smooth_l1", "boxes", LAB, "blank").manual_score = None
        gradebook.db.commit()


def test_a_student_without_a_notebook_does_not_stop_the_class(graded):
    root, _, _ = graded
    (root / "submitted" / "empty" / LAB).mkdir(parents=True)
    (report,) = grade(root, LAB, ["empty"])
    assert report.problem == "nothing was handed in: there is no boxes.ipynb"
    assert {result.status for result in report.results} == {"unreadable"}
    shutil.rmtree(root / "submitted" / "empty")
    shutil.rmtree(root / "autograded" / "empty")
    (report,) = grade(root, LAB, ["nobody"])
    assert report.problem.startswith("could not be graded: there is no folder")
    assert report.results == ()


@pytest.mark.slow
def test_nbgraders_own_commands_give_the_same(graded):
    """`nbgrader autograde` uses our Repair and Execute through nbgrader_config.py."""
    root, _, _ = graded
    before = scores(root, LAB)

    def nbgrader(*arguments):
        # the environment's programs deliberately not on PATH: the config has to see to it
        environment = {**os.environ, "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "nbgrader", *arguments]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=200)

    done = nbgrader("autograde", LAB, "--force")
    assert done.returncode == 0, done.stderr
    assert scores(root, LAB) == before
    done = nbgrader("generate_feedback", LAB, "--student", "crash", "--force")
    assert done.returncode == 0, done.stderr
    done = nbgrader("validate", str(root / "submitted" / "perfect" / LAB / "boxes.ipynb"))
    assert "Success" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_nbgrader_generate_assignment_makes_the_same_lab(boxes_course):
    lab = boxes_course / "labs" / LAB / "boxes.ipynb"
    before = lab.read_bytes()
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", LAB, "--force"]
    done = subprocess.run(command, cwd=boxes_course, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert json.loads(lab.read_bytes()) == json.loads(before)
    assert [path.name for path in lab.parent.iterdir()] == ["boxes.ipynb"]


def test_a_folder_without_configuration_is_no_course(tmp_path):
    with pytest.raises(ValueError, match=r"nbgrader_config\.py"):
        open_course(tmp_path)


def test_only_one_package_imports_nbgrader():
    for path in (ROOT / "autograder").rglob("*.py"):
        if path.parent.name == "gradebook":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "nbgrader" for name in names), path


def test_a_release_with_damaged_marks_is_named(boxes_course, submission, hand_in, autograder_grade):
    """It would give every submission its marks."""
    path = boxes_course / "labs" / LAB / "boxes.ipynb"
    notebook = nbformat.read(path, as_version=4)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    marked[1].metadata["nbgrader"]["grade_id"] = marked[0].metadata["nbgrader"]["grade_id"]
    hand_in(boxes_course, "ada", submission())
    nbformat.write(notebook, path)
    ran = autograder_grade(boxes_course)
    assert ran.exit_code == 2
    assert f"the grading marks of {LAB}/boxes.ipynb are damaged" in ran.output
    assert "autograder release" in ran.output
