"""Control groups: memory, tasks and a fair share of the processor for one child, where the machine lets us make them.

Version 1 has a tree a controller, version 2 one for all. Both are tried; without either the process limits of
`jail.confine` stand alone, which bound the same things less exactly (address space instead of memory used).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

_PREFIX = "autograder-"
_NUMBERS = count()
_MIB = 2**20


@contextlib.contextmanager
def limited(pid: int, memory_mb: int, tasks: int) -> Iterator[tuple[Path, ...]]:
    """Within it the process ``pid`` lives in groups of its own, those given; they go when it has ended.

    Args:
        pid: a process that has done nothing yet: only what it takes from now on is counted.
        memory_mb: memory, files in memory included; a process that wants more is killed.
        tasks: processes and threads.
    """
    name = f"{_PREFIX}{os.getpid()}-{next(_NUMBERS)}"
    made: list[Path] = []
    for parent, files in _parents(memory_mb, tasks):
        with contextlib.suppress(OSError):
            made.append(_make(parent / name, pid, files))
    try:
        yield tuple(made)
    finally:
        for group in made:
            with contextlib.suppress(OSError):
                group.rmdir()


def kind(proc: Path = Path("/proc/self")) -> str:
    """Which version can limit memory here: "v1", "v2", or "" for none."""
    for parent, files in _parents(1, 1, proc):
        group = parent / f"{_PREFIX}{os.getpid()}-{next(_NUMBERS)}"
        limits = [name for name in files if name.startswith("memory.")]
        try:
            group.mkdir()
        except OSError:
            continue
        works = bool(limits) and all((group / name).exists() for name in limits[:1])
        group.rmdir()
        if works:
            return "v2" if "memory.max" in files else "v1"
    return ""


def sweep(proc: Path = Path("/proc/self")) -> None:
    """Remove the groups that a killed grader has left."""
    for parent, _ in _parents(1, 1, proc):
        for group in parent.glob(f"{_PREFIX}*-*"):
            owner = group.name.removeprefix(_PREFIX).split("-")[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                with contextlib.suppress(OSError):
                    group.rmdir()


def _make(group: Path, pid: int, files: dict[str, str]) -> Path:
    group.mkdir()
    try:
        for name, value in files.items():
            # limits of swap are not there on every kernel
            if "sw" not in name or (group / name).exists():
                (group / name).write_text(value)
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        group.rmdir()
        raise
    return group


def _parents(
    memory_mb: int, tasks: int, proc: Path = Path("/proc/self")
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Folders in which a group can be made, and what is to be written into its files."""
    memory = str(memory_mb * _MIB)
    v1 = {
        "memory": {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
        "pids": {"pids.max": str(tasks)},
        "cpu": {},  # equal shares by default
    }
    v2 = {"memory.max": memory, "memory.swap.max": "0", "pids.max": str(tasks)}
    try:
        own = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
        mounts = list(_mounts((proc / "mountinfo").read_text().splitlines()))
    except (OSError, ValueError):
        return
    for _, controllers, path in own:
        for mount, root, kind, options in mounts:
            below = path.removeprefix(root) if root != "/" else path
            folder = mount / below.strip("/")
            if kind == "cgroup":
                name = next((name for name in controllers.split(",") if name in v1), None)
                if name in options and name is not None:
                    yield folder if folder.is_dir() else mount, v1[name]
            elif kind == "cgroup2" and not controllers:
                # a group with processes cannot hand controllers down, so look beside our own too
                for parent in (folder, folder.parent):
                    enabled = parent / "cgroup.subtree_control"
                    if enabled.is_file() and {"memory", "pids"} <= set(enabled.read_text().split()):
                        yield parent, v2
                        break


def _mounts(lines: Iterable[str]) -> Iterator[tuple[Path, str, str, list[str]]]:
    """Mount point, root within its tree, kind and options of each control group tree."""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), after.split()[:3]
        if kind.startswith("cgroup"):
            yield Path(fields[4]), fields[3], kind, options.split(",")
