# ruff: noqa: E501 - probes and tables
"""Warm processes: a child ends with its block, everything with the grader, and threads may share one."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder.isolation import cgroup
from autograder.isolation.warm import Zygote, ZygoteError, checker_zygote


def ask(child, source):
    child.channel.send({"do": "run", "with": {"label": "cell 0", "source": source}})
    return child.channel.receive(30)["printed"]


def gone(pid, seconds=20.0):
    """Whether a process ends in time (or is only waiting to be collected)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_child_ends_with_its_block_whatever_it_does(graders, living):
    with graders.student.child() as child:
        child.channel.send({"do": "run", "with": {"label": "cell 0", "source": "import signal\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass"}})  # fmt: skip
        assert living(graders.student) == [child.pid]
    assert child.status == -signal.SIGKILL
    assert living(graders.student) == []


def test_a_childs_own_end_is_told(graders):
    with graders.student.child() as child:
        child.channel.send({"do": "run", "with": {"label": "cell 0", "source": "import os\nos._exit(7)"}})
        assert child.connection.recv(1) == b""
        assert gone(child.pid)
    assert child.status == 7


def test_children_start_alike_and_differ_in_chance_only(graders):
    source = "import torch, random\nprint(torch.rand(1).item(), random.random())\ntorch.allclose = None"
    seen = set()
    for _ in range(3):
        with graders.student.child() as child:
            seen.add(ask(child, source))
    assert len(seen) == 3


def test_threads_share_a_zygote(graders):
    def one(number):
        with graders.student.child() as child:
            return ask(child, f"print({number} ** 2)")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(12))) == [f"{n * n}\n" for n in range(12)]


def test_an_error_in_the_block_ends_the_child_as_well(graders, living):
    with pytest.raises(ValueError, match="ours"), graders.student.child():
        raise ValueError("ours")
    assert living(graders.student) == []


GRADER = """
import sys, time
from autograder.isolation import cgroup
from autograder.isolation.warm import Zygote, _machine
from pathlib import Path
root = Path({root!r})
with Zygote("autograder.isolation.student:serve", ["torch"], [root, root / "src"], [*_machine(), root / "autograder", root / "src"]) as zygote:
    with zygote.child() as child:
        child.channel.send({{"do": "run", "with": {{"label": "c", "source": "while True: pass"}}}})
        print(zygote.pid, child.pid, flush=True)
        time.sleep(1000)
"""


def start():
    root = Path(__file__).resolve().parents[3]
    grader = subprocess.Popen(
        [sys.executable, "-c", GRADER.format(root=str(root))], stdout=subprocess.PIPE, text=True, cwd=root
    )
    return grader, *map(int, grader.stdout.readline().split())


def test_nothing_outlives_a_grader_that_is_killed():
    grader, zygote, child = start()
    grader.kill()
    grader.wait()
    grader.stdout.close()
    assert gone(zygote)
    assert gone(child)


def test_no_child_outlives_a_zygote_that_is_killed():
    grader, zygote, child = start()
    try:
        os.kill(zygote, signal.SIGKILL)
        assert gone(child)
    finally:
        grader.kill()
        grader.wait()
        grader.stdout.close()


def test_a_zygote_that_cannot_start_says_why():
    before = threading.active_count()
    with pytest.raises(ZygoteError, match="No module named 'no_such_module'"):
        Zygote(
            "autograder.isolation.student:serve",
            ["no_such_module"],
            [Path(__file__).resolve().parents[3]],
            [],
        )
    assert threading.active_count() == before


def test_a_zygote_that_has_gone_is_no_fault_of_the_learner():
    with checker_zygote() as zygote:
        os.kill(zygote.pid, signal.SIGKILL)
        with pytest.raises(ZygoteError, match="status -9"), zygote.child():
            pass


def test_a_child_is_in_control_groups_where_there_are_any(graders):
    if not cgroup.kind():
        pytest.skip("no control groups to write to on this machine")
    with graders.student.child() as child:
        groups = Path(f"/proc/{child.pid}/cgroup").read_text()
    assert f"autograder-{os.getpid()}-" in groups
