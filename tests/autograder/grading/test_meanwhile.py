"""What happens while a class is graded: a submission changes or goes, the clock jumps, somebody presses Ctrl-C."""

import os
import random
import shutil
import signal
import time

import pytest
from graded_class import LAB, LONG_WAIT, Descendants, Grading, recorded, results_written, state_of
from invented_results import at_the_second, executions

from autograder.grading.execute import execute
from autograder.grading.limits import Limits
from autograder.isolation import jail

EXECUTED = {"student00", "student01", "student02", "student03"}  # the fifth cannot be read

needs_jail = pytest.mark.skipif(bool(jail.problem()), reason=f"no jail on this machine: {jail.problem()}")


@pytest.fixture
def course(small_class, tmp_path):
    return shutil.copytree(small_class, tmp_path / "course")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_submission_changes_meanwhile(when, course, submission, hand_in, autograder_grade):
    """Before its turn: it is graded as it is then. While it is executed: it is graded again the next time."""
    student = {"before": "student03", "after": "student01"}[when]
    changed = submission(smooth_l1="return target")
    ran = autograder_grade(course, on_execution=at_the_second(lambda: hand_in(course, student, changed)))
    assert ran.exit_code == 0, ran.output
    assert sorted(executions(course)) == sorted(EXECUTED)
    files = recorded(course)
    ran = autograder_grade(course)
    assert ran.exit_code == 0, ran.output
    assert executions(course)[len(EXECUTED) :] == ([] if when == "before" else [student])
    now = recorded(course)
    assert {name for name in now if now[name] != files[name]} == (set() if when == "before" else {student})
    assert "return target" in (course / "autograded" / student / LAB / "boxes.ipynb").read_text()


def test_a_submission_that_changed_since_the_run_was_stopped_is_executed_again(
    course, submission, hand_in, autograder_grade
):
    """What is in the journal is of another submission then."""
    (course / "autograded").write_text("a file, where a folder is to be")
    assert "graded, but not recorded" in autograder_grade(course).output
    (course / "autograded").unlink()
    hand_in(course, "student02", submission(smooth_l1="return target"))
    ran = autograder_grade(course, "--resume")
    assert ran.exit_code == 0, ran.output
    assert executions(course)[len(EXECUTED) :] == ["student02"]
    assert "return target" in (course / "autograded" / "student02" / LAB / "boxes.ipynb").read_text()


def test_a_submission_goes_meanwhile(course, autograder_grade):
    """It alone is not graded."""
    ran = autograder_grade(
        course, on_execution=at_the_second(lambda: shutil.rmtree(course / "submitted" / "student03"))
    )
    assert ran.exit_code == 1
    assert "could not be graded: there is no folder" in ran.output
    assert set(recorded(course)) == {*EXECUTED, "unreadable"} - {"student03"}


def test_deadlines_do_not_depend_on_the_clock(warm, submission, monkeypatch):
    """It jumps by days at every look; a loop still ends after its second, and nobody else is cut short."""
    tell, rng = time.time, random.Random(0)
    monkeypatch.setattr(time, "time", lambda: tell() + rng.choice([-1, 0, 1]) * 86400)
    notebook = submission(smooth_l1="return pred\nwhile True: pass")
    with warm.lend(LAB) as graders:
        results = execute(notebook, graders, seed=1, limits=Limits(cell=3, exercise=90, submission=300))
    assert [result.status for result in results] == ["correct", "timed_out", "correct"]
    assert all(0 <= result.duration < LONG_WAIT for result in results)


JUMPING = """
import time
_tell, _started = time.time, time.monotonic()
def _jumping():
    return _tell() + (0, 90_000, -90_000)[int(20 * (time.monotonic() - _started)) % 3]
time.time = _jumping
"""


@pytest.mark.slow
@needs_jail
def test_the_clock_jumps_during_a_run(course, tmp_path):
    """By 25 hours and more, twenty times a second, in the command and its workers."""
    (tmp_path / "jumping").mkdir()
    (tmp_path / "jumping" / "sitecustomize.py").write_text(JUMPING)
    with Grading(course, PYTHONPATH=str(tmp_path / "jumping")) as grading:
        assert grading.wait() == 0, grading.said
    state = state_of(course)
    assert sum(state.scores["student00"].values()) == 8
    assert len(state.scores) == len(state.feedback) == len(EXECUTED) + 1


@pytest.mark.slow
@needs_jail
def test_stopped_by_hand(course, submission, hand_in):
    """Ctrl-C, which the terminal sends to all of them, and SIGTERM, while a submission loops."""
    hand_in(course, "student00", submission(smooth_l1="return pred\nwhile True: pass"))
    signals = {
        "Ctrl-C": lambda process: os.killpg(process.pid, signal.SIGINT),
        "SIGTERM": lambda process: process.terminate(),
    }
    files = {}
    for name, send in signals.items():
        with Descendants() as descendants, Grading(course, *(["--resume"] if files else [])) as grading:
            while grading.runs and results_written(course) < 1 + len(files):
                time.sleep(0.05)
            send(grading.process)
            assert grading.wait(60) == 130, name
            assert not descendants.left()
        assert "Traceback" not in grading.said
        assert "KeyboardInterrupt" not in grading.said
        assert f"go on with: autograder grade {LAB} --resume" in grading.said
        assert recorded(course) | files == recorded(course)
        files = recorded(course)
        assert files
    hand_in(course, "student00", submission())
    with Grading(course, "--resume") as grading:
        assert grading.wait() == 0, grading.said
    assert recorded(course) | files == recorded(course)
    state = state_of(course)
    assert sum(state.scores["student00"].values()) == 8
    assert len(state.scores) == len(state.feedback) == len(EXECUTED) + 1
