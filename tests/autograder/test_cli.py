"""The commands say in one line what is wrong, and start fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app

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
        (("grade", "01_tiny", "--student", "zoe"), "no submissions of 01_tiny"),
        (("release", "09_none"), 'there is no lab called "09_none": the labs are 01_tiny'),
    ],
)
def test_what_is_missing_is_named(course, arguments, said):
    done = run(*arguments, "--root", course)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_outside_a_course(tmp_path):
    done = run("grade", "01_tiny", "--root", tmp_path)
    assert done.exit_code == 1
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
