"""Submissions on Dask workers of this machine and of others; what is lost is told, and nothing is left behind."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

import psutil
import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.grading import workers
from autograder.grading.batch import Options, Stopped, grade, journal_path
from autograder.grading.gradebook import scores
from autograder.grading.limits import Limits
from autograder.grading.task import Task, Work, as_notebook, as_text
from autograder.grading.workers import Workers, WorkersError, fingerprint
from autograder.isolation import jail

LAB = "03_boxes"
LONG_WAIT = 240.0  # seconds, for what takes a few on an idle machine

pytestmark = pytest.mark.skipif(bool(jail.problem()), reason="no jail on this machine")


def task(submission, student="ada", cell=30.0, **answers):
    """A task as the writer makes it, but for the hidden half of the checks."""
    notebook = submission(**answers)
    return Task(student, LAB, {"boxes": Work(as_text(notebook), 7, {})}, Limits(cell=cell))


def all_of(pool, count):
    found, deadline = [], time.monotonic() + LONG_WAIT
    while len(found) < count and time.monotonic() < deadline:
        found += pool.poll(0.2)
    return {done.student: done for done in found}


def below(process):
    """What a process has started; without Python's resource tracker, which ends with the process itself."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if not any("resource_tracker" in word for word in child.cmdline()):
                found.append(child)
    return found


def worker_of(pool_started):
    """The worker's process among those that were started since."""
    (worker,) = (
        p for p in below(os.getpid()) if p not in pool_started and "spawn_main" in " ".join(p.cmdline())
    )
    return worker


def ended(processes, seconds=60):
    return not psutil.wait_procs(processes, timeout=seconds)[1]


@pytest.fixture(scope="module")
def local():
    with Workers(jobs=2) as pool:
        yield pool


def test_tasks_come_back_graded(local, submission):
    for number in range(5):
        local.submit(task(submission, f"student{number}"))
    found = all_of(local, 5)
    assert sorted(found) == [f"student{number}" for number in range(5)]
    for done in found.values():
        assert done.problem is None
        assert as_notebook(done.notebooks["boxes"]).cells[-1].metadata.autograder.points == 2


def test_a_killed_worker_is_replaced_and_leaves_nothing(submission, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = below(os.getpid())
    with Workers(jobs=2) as pool:
        pool.submit(task(submission, "first"))
        assert all_of(pool, 1)["first"].problem is None
        worker = worker_of(before)
        everything = [worker, *worker.children(recursive=True)]
        assert len(everything) >= 5  # itself, and two processes of each side's jail
        slow = "import time\n    time.sleep(3)\n    return (pred - target).abs()"
        pool.submit(task(submission, "second", smooth_l1=slow))
        time.sleep(1)
        worker.kill()
        assert ended(everything)
        assert all_of(pool, 1)["second"].problem is None
        everything = [process for process in below(os.getpid()) if process not in before]
    assert ended(everything)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed_each_time_costs_that_submission_only(submission):
    import dask

    before = below(os.getpid())
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), Workers(jobs=1) as pool:
        forever = "import time\n    time.sleep(60)"
        pool.submit(task(submission, "unlucky", smooth_l1=forever))
        worker = worker_of(before)
        deadline = time.monotonic() + LONG_WAIT
        while not worker.children() and time.monotonic() < deadline:
            time.sleep(0.1)
        worker.kill()
        assert "its worker was killed 1 times" in all_of(pool, 1)["unlucky"].problem
        pool.submit(task(submission, "next"))
        assert all_of(pool, 1)["next"].problem is None


def test_without_a_gpu_the_wait_has_an_end(submission):
    with Workers(jobs=1, gpu=True, wait_seconds=1) as pool:
        pool.submit(task(submission))
        assert "no worker with the resource GPU appeared within 1 s" in all_of(pool, 1)["ada"].problem


def test_no_scheduler_is_said_soon():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(WorkersError, match=f"no Dask scheduler answers at {address}"):
        Workers(scheduler=address)
    assert time.monotonic() - started < 60
    with pytest.raises(WorkersError, match="tcp://HOST:8786"):
        Workers(scheduler="nonsense")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, as on three machines: processes of their own, with scratch folders of their own."""
    folder = tmp_path_factory.mktemp("cluster")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    host, port = address.removeprefix("tcp://").split(":")
    dask = [sys.executable, "-m", "dask"]
    commands = [[*dask, "scheduler", "--host", host, "--port", port, "--no-dashboard"]]
    for number in (1, 2):
        scratch = folder / f"machine{number}"
        scratch.mkdir()
        commands.append(
            [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(scratch)]
            + (["--resources", "GPU=1"] if number == 2 else [])
        )
    log = (folder / "log").open("w")
    running = [subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) for command in commands]
    deadline = time.monotonic() + LONG_WAIT
    while time.monotonic() < deadline:
        with socket.socket() as asking:
            if asking.connect_ex((host, int(port))) == 0:
                break
        time.sleep(0.1)
    yield address
    everything = [process for one in running for process in [psutil.Process(one.pid), *below(one.pid)]]
    for one in reversed(running):
        one.send_signal(signal.SIGINT)
    for one in running:
        one.wait(60)
    assert ended(everything)
    log.close()


@pytest.mark.slow
def test_two_workers_of_a_cluster_grade_a_class(cluster, boxes_course, submission, hand_in):
    for number in range(6):
        answers = {"smooth_l1": "return pred"} if number % 2 else {}
        hand_in(boxes_course, f"student{number}", submission(**answers))
    arguments = ["grade", LAB, "--scheduler", cluster, "--json", "--root", str(boxes_course)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    (lab,) = json.loads(done.stdout)["labs"]
    points = {one["student"]: one["points"] for one in lab["submissions"]}
    assert points == {f"student{number}": 4 if number % 2 else 8 for number in range(6)}
    assert {name: sum(kept.values()) for name, kept in scores(boxes_course, LAB).items()} == points


@pytest.mark.slow
def test_a_worker_with_the_gpu_tag_gets_the_task(cluster, submission):
    with Workers(scheduler=cluster, gpu=True, wait_seconds=LONG_WAIT) as pool:
        pool.submit(task(submission))
        assert all_of(pool, 1)["ada"].problem is None


@pytest.mark.slow
def test_another_version_is_refused(cluster, submission, monkeypatch):
    monkeypatch.setattr(workers, "fingerprint", lambda: "another")
    with Workers(scheduler=cluster, wait_seconds=LONG_WAIT) as pool:
        pool.submit(task(submission))
        with pytest.raises(WorkersError, match="another version of this package"):
            all_of(pool, 1)


def test_the_fingerprint_is_that_of_the_source():
    code = "from autograder.grading.workers import fingerprint; print(fingerprint())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == fingerprint()


def test_stopping_leaves_a_run_to_go_on_with(boxes_course, submission, hand_in):
    for number in range(4):
        hand_in(boxes_course, f"student{number}", submission())
    seen = []
    with pytest.raises(Stopped, match=r"stopped after [12] of 4"):
        grade(
            boxes_course,
            LAB,
            options=Options(jobs=1),
            on_report=lambda report, resumed: seen.append(report),
            stopped=lambda: bool(seen),
        )
    notes, resumed = [], []
    reports = grade(
        boxes_course,
        LAB,
        options=Options(resume=True),
        on_report=lambda report, before: resumed.append(before),
        on_note=notes.append,
    )
    assert [report.points for report in reports] == [8] * 4
    assert sum(resumed) == len(seen)
    assert notes == []
    assert not journal_path(boxes_course, LAB).exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_cleanly(number, boxes_course, submission, hand_in):
    for student in range(3):
        slow = "import time\n    time.sleep(20)\n    return pred"
        hand_in(boxes_course, f"student{student}", submission(**({"smooth_l1": slow} if student else {})))
    command = [sys.executable, "-c", "from autograder.cli import app; app()", "grade", LAB]
    with subprocess.Popen(
        command,
        cwd=boxes_course,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        for line in running.stdout:
            if "student0" in line:
                break
        everything = below(running.pid)
        os.killpg(running.pid, number)  # as a terminal does
        out, err = running.communicate(timeout=LONG_WAIT)
    assert running.returncode == 130
    assert "stopped after 1 of 3; go on with: autograder grade 03_boxes --resume" in err
    assert "Traceback" not in out + err
    assert ended(everything)


def test_a_course_is_graded_by_one_run_at_a_time(boxes_course, submission, hand_in):
    from autograder.grading.course_lock import course_lock

    hand_in(boxes_course, "ada", submission())
    with course_lock(boxes_course / ".autograder" / "lock"):
        done = CliRunner().invoke(app, ["grade", LAB, "--root", str(boxes_course)])
    assert done.exit_code == 2
    assert "another `autograder grade` is at work on this course" in done.stderr


def test_a_lab_the_gradebook_does_not_know(boxes_course, submission, hand_in):
    hand_in(boxes_course, "ada", submission())
    shutil.copytree(boxes_course / "labs" / LAB, boxes_course / "labs" / "04_other")
    (boxes_course / "submitted" / "ada" / LAB).rename(boxes_course / "submitted" / "ada" / "04_other")
    done = CliRunner().invoke(app, ["grade", "--all", "--root", str(boxes_course)])
    assert done.exit_code == 2
    assert "run `autograder release 04_other`" in done.stderr


def test_a_worker_killed_while_it_starts_is_started_again(submission):
    started = set(below(os.getpid()))

    def kill_the_first():
        deadline = time.monotonic() + LONG_WAIT
        while time.monotonic() < deadline:
            with contextlib.suppress(psutil.NoSuchProcess, ValueError):
                worker_of(started).kill()
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    with Workers(1) as pool:
        killer.join()
        pool.submit(task(submission))
        assert all_of(pool, 1)["ada"].problem is None


def test_one_connection_that_fails_is_tried_again(submission, monkeypatch):
    """When the clock jumps while Dask connects, it believes that all its time is over."""

    def failing_once(function):
        times = itertools.count()

        def call(*arguments, **options):
            if next(times) == 0:
                raise OSError("timed out")
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(workers, "_connect", failing_once(workers._connect))
    with Workers(1) as pool:
        monkeypatch.setattr(pool._client, "scheduler_info", failing_once(pool._client.scheduler_info))
        assert pool.room == 2
        pool.submit(task(submission))
        assert all_of(pool, 1)["ada"].problem is None
