"""The journal of a run: what was written to its end is there again, whatever happened to the rest."""

import json
import subprocess
import sys

import pytest

from autograder.grading.course_lock import Locked, course_lock
from autograder.grading.journal import Journal, JournalError, Plan
from autograder.grading.task import Done

PLAN = Plan("f00", "03_boxes", {"ada": "d1", "ben": "d2", "öß": "d3"}, force=True)


def done(student, text="{}"):
    return Done(student, {"boxes": text, "more": "ünïcode\n"}, 1.5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "course" / ".autograder" / "03_boxes" / "journal.jsonl"


def test_what_was_written_is_read_again(path):
    journal = Journal.start(path, PLAN)
    journal.append("d1", done("ada"))
    journal.append("d3", done("öß"))
    journal.close()
    again = Journal.resume(path)
    assert again.plan == PLAN
    assert {student: entry.digest for student, entry in again.entries.items()} == {"ada": "d1", "öß": "d3"}
    assert again.entries["öß"].done == done("öß")


def test_nothing_there_is_no_journal(path):
    assert Journal.resume(path) is None
    Journal.start(path, PLAN).finish()
    assert Journal.resume(path) is None


def test_wherever_it_is_torn_the_whole_lines_before_count_and_it_can_go_on(path):
    journal = Journal.start(path, PLAN)
    first = path.stat().st_size
    journal.append("d1", done("ada"))
    second = path.stat().st_size
    journal.append("d2", done("ben"))
    journal.close()
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        again = Journal.resume(path)
        if size < first:
            assert again is None
            continue
        expected = 0 if size < second else 1 if size < len(whole) else 2
        assert len(again.entries) == expected
        again.append("d3", done("öß"))
        again.close()
        third = Journal.resume(path)
        assert len(third.entries) == expected + 1
        third.close()


def test_garbage_is_no_journal(path):
    path.parent.mkdir(parents=True)
    for garbage in (b"\n", b"[]\n", b"\xff\xfe\n", b'{"entry": 1}\n', b"null\n"):
        path.write_bytes(garbage)
        assert Journal.resume(path) is None


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path):
    """Written by a process that may write files of 3000 bytes only, which fails in the same place as a full disk."""
    code = f"""
import resource, signal
from pathlib import Path
from autograder.grading.journal import Journal, JournalError, Plan
from autograder.grading.task import Done
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
path = Path({str(tmp_path / "journal.jsonl")!r})
journal = Journal.start(path, Plan("f00", "lab", {{"ada": "d1", "ben": "d2"}}))
journal.append("d1", Done("ada", {{"a": "x" * 1000}}))
size = path.stat().st_size
try:
    journal.append("d2", Done("ben", {{"a": "x" * 5000}}))
except JournalError as error:
    print(error)
assert path.stat().st_size == size
journal.append("d2", Done("ben", {{"a": "short"}}))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "journal.jsonl cannot be written (File too large)" in ran.stdout
    assert list(Journal.resume(tmp_path / "journal.jsonl").entries) == ["ada", "ben"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        Journal.start(tmp_path / "file" / "journal.jsonl", PLAN)
    with pytest.raises(JournalError, match="cannot be written"), course_lock(tmp_path / "file" / "lock"):
        pass


def test_each_line_is_json(path):
    journal = Journal.start(path, PLAN)
    journal.append("d1", done("ada"))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["plan"], ["digest", "done"]]


HOLD = """
import sys, time
from pathlib import Path
from autograder.grading.course_lock import course_lock
with course_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1000)
"""


def test_one_run_at_a_time_and_a_dead_one_does_not_count(tmp_path):
    lock = tmp_path / ".autograder" / "lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked, match=f"process {holder.pid} on"), course_lock(lock):
            pass
        holder.kill()
        holder.wait()
    with course_lock(lock), pytest.raises(Locked), course_lock(lock):
        pass
    with course_lock(lock):
        pass
