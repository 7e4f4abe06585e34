"""A class graded twice: by `grade` and by nbgrader's own commands; the gradebook says what the results say."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.grading.batch import grade, students_of
from autograder.grading.gradebook import open_course, scores
from autograder.grading.submission import is_graded

LAB = "01_tiny"
ROOT = Path(__file__).resolve().parents[3]


def submit(course, student, notebook):
    folder = course / "submitted" / student / LAB
    folder.mkdir(parents=True)
    if isinstance(notebook, bytes):
        (folder / "tiny.ipynb").write_bytes(notebook)
    else:
        nbformat.write(notebook, folder / "tiny.ipynb")


@pytest.fixture(scope="module")
def graded(fresh_course, tmp_path_factory):
    """A class: perfect, stripped of metadata, crashing, not JSON, blank; graded once."""
    import copy
    import shutil

    root = tmp_path_factory.mktemp("class") / "course"
    shutil.copytree(fresh_course, root)
    config = (root / "nbgrader_config.py").read_text().replace("cell_seconds = 120", "cell_seconds = 5")
    (root / "nbgrader_config.py").write_text(config)
    blank = nbformat.read(root / "labs" / LAB / "tiny.ipynb", as_version=4)
    perfect = copy.deepcopy(blank)
    answers = {"double": "2 * n", "triple": "3 * n", "square": "7 * n"}
    for cell in perfect.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = cell.source.replace(
                'raise NotImplementedError("write me")', f"return {answers[name]}"
            )
    stripped, crashing = copy.deepcopy(perfect), copy.deepcopy(perfect)
    for cell in stripped.cells:
        cell.metadata = nbformat.from_dict({})
    for cell in crashing.cells:
        cell.source = cell.source.replace("return 3 * n", "import os; os._exit(1)")
    submit(root, "blank", blank)
    submit(root, "crash", crashing)
    submit(root, "not_json", b"%PDF-1.4")
    submit(root, "perfect", perfect)
    submit(root, "stripped", stripped)
    seen = []
    reports = grade(root, LAB, on_report=lambda report, resumed: seen.append((report.student, resumed)))
    return root, {report.student: report for report in reports}, seen


def test_points_and_reasons(graded):
    root, reports, seen = graded
    assert students_of(root, LAB) == sorted(reports) == sorted(student for student, _ in seen)
    assert not any(resumed for _, resumed in seen)
    assert {name: report.points for name, report in reports.items()} == {
        "blank": 0,
        "crash": 8,
        "not_json": 0,
        "perfect": 16,
        "stripped": 16,
    }
    assert len(reports["stripped"].repairs) == 1
    assert "is not a notebook" in reports["not_json"].problem
    assert {result.status for result in reports["not_json"].results} == {"unreadable"}
    assert reports["crash"].results[1].status == "crashed"


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
        page = (root / "feedback" / student / LAB / "tiny.html").read_text()
        assert "hidden=True" not in page
        assert "BEGIN HIDDEN TESTS" not in page
        assert secret not in page
    assert "ended the Python process" in (root / "feedback" / "crash" / LAB / "tiny.html").read_text()
    assert (
        'href="#test_triple"><code>triple</code>'
        in (root / "feedback" / "blank" / LAB / "tiny.html").read_text()
    )
    assert "is not a notebook" in (root / "feedback" / "not_json" / LAB / "tiny.html").read_text()
    assert (
        "The grader repaired this notebook"
        in (root / "feedback" / "stripped" / LAB / "tiny.html").read_text()
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
    path = submitted / "tiny.ipynb"
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
        cell = gradebook.find_grade("test_triple", "tiny", LAB, "blank")
        cell.manual_score, cell.needs_manual_grade = 5.0, False
        gradebook.db.commit()
    (report,) = grade(root, LAB, ["blank"], force=True)
    assert report.points == 0
    assert scores(root, LAB)["blank"] == {"double": 0, "triple": 5, "square": 0}
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("test_triple", "tiny", LAB, "blank").manual_score = None
        gradebook.db.commit()


def test_a_student_without_a_notebook_does_not_stop_the_class(graded):
    root, _, _ = graded
    (root / "submitted" / "empty" / LAB).mkdir(parents=True)
    (report,) = grade(root, LAB, ["empty"])
    assert report.problem.startswith("could not be graded")
    assert report.results == ()
    (root / "submitted" / "empty" / LAB).rmdir()


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
    done = nbgrader("validate", str(root / "submitted" / "perfect" / LAB / "tiny.ipynb"))
    assert "Success" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_nbgrader_generate_assignment_makes_the_same_lab(course):
    lab = course / "labs" / LAB / "tiny.ipynb"
    before = lab.read_bytes()
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", LAB, "--force"]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert json.loads(lab.read_bytes()) == json.loads(before)
    assert [path.name for path in lab.parent.iterdir()] == ["tiny.ipynb"]


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
