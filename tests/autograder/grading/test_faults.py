"""A full disk, a gradebook that is locked, a folder that is read-only: each is said, and nothing is lost.

The writer works beside workers that give results in no time.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest
from graded_class import recorded, state_of, written_down
from invented_results import at_the_second, executions

from autograder.grading.gradebook import database

LONG = bool(os.environ.get("AUTOGRADER_LONG"))
EXECUTED = {"student00", "student01", "student02", "student03"}  # the fifth cannot be read


@pytest.fixture
def course(small_class, tmp_path):
    return shutil.copytree(small_class, tmp_path / "course")


@pytest.fixture
def undisturbed(small_class, tmp_path, autograder_grade):
    """What a run makes of the class when nothing happens."""
    (tmp_path / "undisturbed").mkdir()
    course = shutil.copytree(small_class, tmp_path / "undisturbed" / "course")
    assert autograder_grade(course).exit_code == 0
    return made(course)


def made(course):
    state = state_of(course)
    return state.scores, state.autograded, state.feedback


@pytest.fixture
def mounted():
    """Mounts something for the length of a test: mounted(folder, "-t", "tmpfs", "small")."""
    done = []

    def mount(folder, *arguments):
        ran = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
        if ran.returncode:
            pytest.skip("a small disk cannot be mounted here: that takes root")
        done.append(folder)

    yield mount
    for folder in reversed(done):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


@pytest.mark.parametrize("what", [".autograder", "autograded", "feedback", "gradebook"])
def test_disk_full(what, course, undisturbed, mounted, autograder_grade):
    disk = course / what
    disk.mkdir()
    mounted(disk, "-t", "tmpfs", "-o", "size=2m", "small")
    if what == "gradebook":
        shutil.move(course / "gradebook.db", disk)
        with (course / "nbgrader_config.py").open("a") as config:
            config.write(f"\nc.CourseDirectory.db_url = 'sqlite:///{disk / 'gradebook.db'}'\n")
    ran = autograder_grade(course, on_execution=at_the_second(lambda: fill(disk)))
    assert ran.exit_code == (2 if what == ".autograder" else 1)  # without a journal it does not go on
    # SQLite has other words: "database or disk is full", "disk I/O error"
    assert (
        " disk "
        if what == "gradebook"
        else "(No space left on device)"
        if what == ".autograder"
        else "[Errno 28] No space left on device"
    ) in ran.output
    assert "go on with --resume" in " ".join(ran.output.split())
    before, entries, files = executions(course), written_down(course), recorded(course)
    assert len(files) >= 1

    (disk / "filler").unlink()
    ran = autograder_grade(course, "--resume")
    assert ran.exit_code == 0, ran.output
    assert made(course) == undisturbed
    assert recorded(course) | files == recorded(course)
    again = set(executions(course)[len(before) :])
    assert not again & {entry["done"]["student"] for entry in entries}
    assert set(executions(course)) == EXECUTED


def test_no_room_for_feedback_that_is_missing(course, undisturbed, mounted, autograder_grade):
    """It is written again for those who are graded already, when there is room."""
    assert autograder_grade(course).exit_code == 0
    files = recorded(course)
    mounted(course / "feedback", "-t", "tmpfs", "-o", "size=64k", "small")
    fill(course / "feedback")
    ran = autograder_grade(course)
    assert ran.exit_code == 1
    assert "No space left on device" in ran.output
    subprocess.run(["mount", "-o", "remount,size=9m", str(course / "feedback")], check=True)
    (course / "feedback" / "filler").unlink()
    ran = autograder_grade(course, "--resume")
    assert ran.exit_code == 0, ran.output
    assert made(course) == undisturbed
    assert recorded(course) == files


def test_no_room_for_a_journal(course, undisturbed, mounted, autograder_grade):
    disk = course / ".autograder"
    disk.mkdir()
    mounted(disk, "-t", "tmpfs", "-o", "size=64k", "small")
    fill(disk)
    ran = autograder_grade(course)
    assert ran.exit_code == 2
    assert "cannot be written (No space left on device)" in ran.output
    assert not executions(course)
    (disk / "filler").unlink()
    assert autograder_grade(course).exit_code == 0
    assert made(course) == undisturbed


@contextlib.contextmanager
def locked(course):
    """Somebody else writes to the gradebook and does not finish."""
    other = sqlite3.connect(course / "gradebook.db", isolation_level=None, check_same_thread=False)
    with contextlib.closing(other):
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_gradebook_locked_for_a_while(course, undisturbed, autograder_grade):
    """20 s in the long form; as long as another program may take."""
    with contextlib.ExitStack() as stack:

        def lock():
            stack.enter_context(locked(course))
            threading.Timer(20 if LONG else 1, stack.pop_all().close).start()

        ran = autograder_grade(course, on_execution=at_the_second(lock))
    assert ran.exit_code == 0, ran.output
    assert made(course) == undisturbed


def test_gradebook_locked_for_too_long(course, undisturbed, autograder_grade, monkeypatch):
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    with contextlib.ExitStack() as stack:
        ran = autograder_grade(
            course, on_execution=at_the_second(lambda: stack.enter_context(locked(course)))
        )
        assert ran.exit_code == 1
        assert "graded, but not recorded" in ran.output
        assert "database is locked" in ran.output
        assert "go on with --resume" in " ".join(ran.output.split())
        assert set(executions(course)) == EXECUTED
    files = recorded(course)
    assert len(files) == 1
    ran = autograder_grade(course, "--resume")
    assert ran.exit_code == 0, ran.output
    assert len(executions(course)) == len(EXECUTED)
    assert recorded(course) | files == recorded(course)
    assert made(course) == undisturbed


def test_gradebook_locked_from_the_start(course, undisturbed, autograder_grade, monkeypatch):
    """A gradebook as nbgrader makes it, where who writes keeps out who reads."""
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as gradebook:
        gradebook.execute("PRAGMA journal_mode = DELETE")
    with locked(course):
        ran = autograder_grade(course)
    assert ran.exit_code == 2
    assert "the gradebook cannot be read" in ran.output
    assert "database is locked" in ran.output
    assert not executions(course)
    assert autograder_grade(course).exit_code == 0
    assert made(course) == undisturbed


@contextlib.contextmanager
def read_only(folder):
    """As on a disk that is mounted so. To root a folder's mode means nothing, so root gets a mount."""
    if os.geteuid() == 0:
        for arguments in (["--bind", str(folder)], ["-o", "remount,bind,ro"]):
            ran = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
            if ran.returncode:
                pytest.skip("a folder cannot be mounted read-only here: this root may not mount")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    else:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)


def test_a_read_only_course(course, undisturbed, autograder_grade):
    with read_only(course):
        ran = autograder_grade(course)
        assert ran.exit_code == 2
        assert f"{course}/.autograder cannot be written" in ran.output
        assert not executions(course)
    assert autograder_grade(course).exit_code == 0
    assert made(course) == undisturbed


@pytest.mark.parametrize("what", ["autograded", "feedback"])
def test_a_folder_becomes_read_only(what, course, undisturbed, autograder_grade):
    (course / what).mkdir()
    with contextlib.ExitStack() as stack:
        ran = autograder_grade(
            course, on_execution=at_the_second(lambda: stack.enter_context(read_only(course / what)))
        )
        assert ran.exit_code == 1
        assert (
            len(re.findall("^ .* student0[123] .* graded, but not recorded", ran.output, re.MULTILINE)) == 3
        )
        files = recorded(course)
        ran = autograder_grade(course, "--resume")
        assert ran.exit_code == 1
        assert "graded, but not recorded" in ran.output
    ran = autograder_grade(course, "--resume")
    assert ran.exit_code == 0, ran.output
    assert len(executions(course)) == len(EXECUTED)
    assert recorded(course) | files == recorded(course)
    assert made(course) == undisturbed
