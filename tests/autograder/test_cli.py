"""The commands say in one line what is wrong, and start fast."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.grading.selection import select

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_imports_nothing_heavy():
    code = (
        "import sys, autograder.cli;"
        "print([name for name in ('torch', 'nbgrader', 'jupytext', 'nbformat') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grade", "01_tiny"), "no submissions of 01_tiny"),
        (("grade", "--all"), "no submissions of any lab"),
        (("grade", "01_tiny", "--student", "zoe"), "no submissions of 01_tiny"),
        (("grade", "01_tyni"), 'no lab called "01_tyni" is released: did you mean 01_tiny?'),
        (("grade", "xyz"), "the labs are 01_tiny"),
        (("grade",), "say which lab"),
        (("grade", "01_tiny", "--all"), "say which lab"),
        (("grade", "01_tiny", "--resume", "--force"), "leave out --force and --student"),
        (("grade", "01_tiny", "--resume", "--student", "zoe"), "leave out --force and --student"),
    ],
)
def test_grade_says_what_is_wrong(course, arguments, said):
    done = run(*arguments, "--root", course)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_an_unknown_student_is_named(course):
    (course / "submitted" / "ada" / "01_tiny").mkdir(parents=True)
    done = run("grade", "01_tiny", "--student", "zoe", "--student", "ada", "--root", course)
    assert done.exit_code == 2
    assert "no submission of 01_tiny by zoe" in done.output


@pytest.mark.parametrize("typed", ["ada/", "submitted/ada"])
def test_a_student_may_be_typed_as_a_folder(course, typed):
    (course / "submitted" / "ada" / "01_tiny").mkdir(parents=True)
    assert select(course, "01_tiny", [typed]) == {"01_tiny": ["ada"]}


def test_a_misspelt_student(course):
    (course / "submitted" / "alice_right" / "01_tiny").mkdir(parents=True)
    done = run("grade", "01_tiny", "--student", "alice_rihgt", "--root", course)
    assert "by alice_rihgt: did you mean alice_right?" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("selftest", "smooth_l2"), "did you mean smooth_l1?"),
        (("originality", "01_tyni"), "did you mean 01_tiny?"),
        (("originality", "01_tiny"), "nothing of 01_tiny is graded yet"),
        (("demo", "--step", "9"), "less than or equal to 3"),
    ],
)
def test_a_slip_is_one_message(course, arguments, said):
    done = run(*arguments, *(("--root", course) if arguments[0] == "originality" else ()))
    assert done.exit_code != 0
    assert said in done.output
    assert "Traceback" not in done.output
    assert isinstance(done.exception, SystemExit)


def test_a_configuration_that_fails(course):
    (course / "nbgrader_config.py").write_text("c = get_config(\n")
    done = run("grade", "01_tiny", "--root", course)
    assert done.exit_code == 2
    assert "nbgrader_config.py fails: SyntaxError" in done.output


def test_release_check_of_a_wrong_master(course):
    master = course / "solutions" / "01_tiny" / "tiny.py"
    master.write_text(master.read_text().replace("### END SOLUTION", ""))
    done = run("release", "--check", "--root", course)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "No end solution" in done.output


def test_a_course_without_a_release(tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    done = run("grade", "--all", "--root", tmp_path)
    assert done.exit_code == 2
    assert "no lab is released" in done.output
    assert "autograder release" in done.output


def test_release_names_the_labs_there_are(course):
    done = run("release", "09_none", "--root", course)
    assert done.exit_code == 1
    assert 'there is no lab called "09_none": the labs are 01_tiny' in done.output


def test_outside_a_course(tmp_path):
    done = run("grade", "01_tiny", "--root", tmp_path)
    assert done.exit_code == 2
    assert "is not a course" in done.output


def test_release_check(course):
    assert run("release", "--check", "--root", course).exit_code == 0
    (course / "labs" / "01_tiny" / "tiny.py").write_text("solution = 1")
    done = run("release", "--check", "--root", course)
    assert done.exit_code == 1
    assert "tiny.py is a master" in done.output


def test_selftest_as_json():
    done = run("selftest", "smooth_l1", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["failures"] == 0
    assert {"reference", "right", "misconception"} == {result["kind"] for result in found["results"]}


def test_doctor(monkeypatch, tmp_path):
    monkeypatch.setenv("DETSEG_CACHE", str(tmp_path / "cache"))
    done = run("doctor", "--root", ROOT)
    assert done.exit_code == 0
    assert "torch" in done.output
    assert str(tmp_path / "cache") in done.output.replace("\n", "")


def test_doctor_names_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DETSEG_CACHE", str(tmp_path / "file" / "cache"))
    done = run("doctor", "--root", ROOT)
    assert done.exit_code == 1
    assert "set DETSEG_CACHE" in done.output.replace("\n", " ")
