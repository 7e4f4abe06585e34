"""Control groups: of version 2 in a made-up tree; of this machine's kind with a real process, where it has one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.isolation import cgroup


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.kill()
    process.wait()
    process.stdin.close()


def test_a_process_gets_groups_of_its_own_and_they_go(sleeper):
    if not cgroup.kind():
        pytest.skip("no control groups to write to on this machine")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with cgroup.limited(process.pid, 100, 7) as groups:
        assert groups
        for group in groups:
            assert str(process.pid) in (group / "cgroup.procs").read_text().split()
        limits = {name: (g / name).read_text().strip() for g in groups for name in os.listdir(g) if name in
                  ("pids.max", "memory.max", "memory.limit_in_bytes")}  # fmt: skip
        assert limits.pop("pids.max") == "7"
        assert list(limits.values()) == [str(100 * 2**20)]
        process.kill()
        process.wait()
        process.stdin.close()
    assert not any(group.exists() for group in groups)


def test_what_a_killed_grader_left_is_swept(monkeypatch):
    if not cgroup.kind():
        pytest.skip("no control groups to write to on this machine")
    parents = [parent for parent, _ in cgroup._parents(1, 1)]
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = [parent / f"autograder-{gone.pid}-0" for parent in parents]
    ours = [parent / f"autograder-{os.getpid()}-sweep" for parent in parents]
    for group in (*left, *ours):
        group.mkdir()
    cgroup.sweep()
    assert not any(group.exists() for group in left)
    assert all(group.exists() for group in ours)
    for group in ours:
        group.rmdir()


def made_up(folder: Path, path: str, enabled: dict[str, str]) -> Path:
    """A /proc/self and a version 2 tree, in which groups hand down the controllers of ``enabled``."""
    for name, controllers in enabled.items():
        (folder / "tree" / name).mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name / "cgroup.subtree_control").write_text(controllers)
    (folder / "cgroup").write_text(f"0::{path}\n")
    (folder / "mountinfo").write_text(
        f"31 23 0:28 / {folder}/tree rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    return folder


def test_version_2_makes_groups_where_controllers_are_handed_down(tmp_path):
    proc = made_up(tmp_path, "/user/own", {"user/own": "memory pids cpu"})
    ((parent, files),) = cgroup._parents(64, 5, proc)
    assert parent == tmp_path / "tree/user/own"
    assert files == {"memory.max": str(64 * 2**20), "memory.swap.max": "0", "pids.max": "5"}


def test_version_2_looks_beside_a_group_that_has_processes(tmp_path):
    proc = made_up(tmp_path, "/user/own", {"user": "memory pids", "user/own": ""})
    assert [parent for parent, _ in cgroup._parents(64, 5, proc)] == [tmp_path / "tree/user"]


def test_without_controllers_there_is_nothing(tmp_path):
    proc = made_up(tmp_path, "/user/own", {"user": "cpu", "user/own": ""})
    assert list(cgroup._parents(64, 5, proc)) == []
    assert cgroup.kind(proc) == ""
    assert list(cgroup._parents(64, 5, tmp_path / "nowhere")) == []


def test_what_cannot_be_written_is_left_out(sleeper, tmp_path, monkeypatch):
    monkeypatch.setattr(
        cgroup, "_parents", lambda *a: iter([(tmp_path / "missing", {}), (tmp_path, {"pids.max": "5"})])
    )
    with cgroup.limited(sleeper, 1, 1) as groups:
        assert len(groups) == 1  # an ordinary folder takes anything
