"""The project's own files agree with each other, and the code is clean."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CODE = ("src", "autograder", "tests", "solutions", "nbgrader_config.py")


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_code_is_clean():
    result = run(sys.executable, "-m", "ruff", "check", *CODE)
    assert result.returncode == 0, result.stdout


def test_code_is_formatted():
    result = run(sys.executable, "-m", "ruff", "format", "--check", "src", "autograder", "tests")
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_types_agree():
    result = run(sys.executable, "-m", "mypy")
    assert result.returncode == 0, result.stdout


def test_conda_environment_is_in_step_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert python == "python" + PYPROJECT["project"]["requires-python"]
    assert pip == "pip"
    extras = re.fullmatch(r"--editable \.\[(.+)\]", packages["pip"][0]).group(1).split(",")
    assert sorted(extras) == sorted(PYPROJECT["project"]["optional-dependencies"])


def test_lock_holds_every_requirement_with_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    requirements = PYPROJECT["project"]["dependencies"] + [item for extra in extras for item in extra]
    for requirement in requirements:
        name = re.match(r"[\w-]+", requirement).group()
        assert re.search(rf"^{name}==", lock, re.MULTILINE), (
            f"{name} is not in requirements.lock: run `make lock`"
        )
    assert "://" not in lock
    pins = re.findall(r"^[\w.-]+==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert len(pins) > 50
    assert all("--hash=sha256:" in pin for pin in pins)


def test_readme_commands_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([\w-]+)", (ROOT / "README.md").read_text())) <= targets


def test_links_and_pictures_of_the_docs_exist():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} points to {target}, which is not there"
