"""The writer is killed before each change it makes, and goes on from there: everything is as without it.

Its workers give results in no time. The short form takes ten of the changes, the long form (AUTOGRADER_LONG=1) all.
"""

import os
import random
import secrets
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from graded_class import LAB, hand_in_class, recorded, state_of, written_down
from invented_results import InventedResults, executions
from sqlalchemy import event
from sqlalchemy.engine import Engine

from autograder.grading import batch
from autograder.grading.batch import Options, grade

LONG = bool(os.environ.get("AUTOGRADER_LONG"))
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "os.truncate", "os.utime")


def die_at(step: int, course: Path) -> Callable[[], int]:
    """Kill this process before the step-th change of the course's files or of the gradebook.

    A file that is opened to be written is there then, and empty. Returns what tells how many changes there were.
    """
    count = 0

    def now() -> bool:
        nonlocal count
        count += 1
        return count == step

    def on_audit(name: str, arguments: tuple) -> None:
        if name not in ("open", *CHANGES):
            return
        path, flags = str(arguments[0]), arguments[2] if name == "open" else 0
        if name == "open" and not flags & (os.O_WRONLY | os.O_RDWR):
            return
        if (path.startswith(str(course)) or not os.path.isabs(path)) and now():
            if name == "open":
                os.open(path, flags)
            os.kill(os.getpid(), signal.SIGKILL)

    def on_statement(connection: object, cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "PRAGMA")) and now():
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_audit)
    event.listen(Engine, "before_cursor_execute", on_statement)
    event.listen(Engine, "commit", lambda connection: on_statement(connection, None, "COMMIT"))
    return lambda: count


def grade_in_a_process(course: Path, options: Options, die: int = 0) -> int:
    """Grade with invented results; how many steps there were, 0 when it was killed."""
    counted = course.parent / "steps"
    counted.write_text("0")
    pid = os.fork()
    if pid == 0:
        try:
            batch.Workers = lambda *_: InventedResults(course)
            token = secrets.token_hex
            secrets.token_hex = lambda size: "5eed" if size == 16 else token(size)  # as all others have it
            count = die_at(die, course)
            grade(course, LAB, options=options)
            counted.write_text(str(count()))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == (-signal.SIGKILL if die else 0)
    return int(counted.read_text())


@pytest.mark.parametrize("force", [False, True], ids=["first", "again"])
def test_killed_at_each_step_of_the_writer(force, fresh_boxes_course, submission, hand_in, tmp_path):
    """Also while a class that was graded before is graded again."""
    before = tmp_path / "before" / "course"
    shutil.copytree(fresh_boxes_course, before)
    hand_in_class(before, submission, hand_in, 3)
    if force:
        grade_in_a_process(before, Options(unsafe=True))
    (tmp_path / "reference").mkdir()
    reference = shutil.copytree(before, tmp_path / "reference" / "course")
    number = grade_in_a_process(reference, Options(unsafe=True, force=force))
    state = state_of(reference)
    assert len(state.feedback) == 3
    assert executions(reference) == ["student00", "student01"]

    at = range(1, number + 1) if LONG else random.Random(0).sample(range(1, number + 1), 10)
    print(f"{number} steps")
    for step in at:
        print(f"killed at step {step}")
        (tmp_path / str(step)).mkdir()
        course = shutil.copytree(before, tmp_path / str(step) / "course")
        old = recorded(course)
        assert grade_in_a_process(course, Options(unsafe=True, force=force), step) == 0
        files = {student: file for student, file in recorded(course).items() if old.get(student) != file}
        entries = {entry["done"]["student"] for entry in written_down(course)}
        executed = executions(course)
        assert len(set(executed)) == len(executed)
        grade_in_a_process(course, Options(unsafe=True, force=force, resume=True))
        assert not entries & set(executions(course)[len(executed) :]), "executed again"
        assert set(executions(course)) == {"student00", "student01"}
        assert recorded(course) | files == recorded(course), "what was recorded was touched"
        assert state_of(course) == state
        shutil.rmtree(course)
