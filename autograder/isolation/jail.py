"""The jail: a zygote moves into a world that holds only what student code may see; each child then gives up the rest.

As root: own mount, network, IPC and process namespaces, a root folder made of read-only binds, a real unprivileged uid.
Without root: the same inside a user namespace. Where neither can be had there is no jail, and `kind` says so.
"""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import linux, seccomp

NOBODY = 65534
SPACE = "/student"  # the only writable folder; not /tmp, below which the course itself may be installed
_DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True)
class Limits:
    """What one student process may use."""

    memory_mb: int = 3000  # above what the warm process already has
    processes: int = 200
    file_mb: int = 64
    cpu_seconds: int = 300
    open_files: int = 256


def kind() -> str:
    """What kind of jail this machine allows: "root", "user namespace", or "" for none."""
    if os.geteuid() == 0 and _works(
        linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWIPC
    ):
        return "root"
    return "user namespace" if _works(linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID) else ""


def _works(flags: int) -> bool:
    """Try it in a child, so that nothing changes here."""
    child = os.fork()
    if child == 0:
        try:
            linux.unshare(flags)
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def enter(readable: Iterable[Path], masked: Iterable[Path]) -> None:
    """Move this process, for good, into a world of its own. Called once, by a zygote with a single thread.

    Args:
        readable: folders and files that stay where they are, read-only; nothing else of the machine remains.
        masked: folders below them that become empty.
    """
    uid, gid = os.getuid(), os.getgid()
    if uid != 0:
        linux.unshare(linux.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    linux.mount("none", "/", "none", linux.MS_REC | linux.MS_PRIVATE)
    root = tempfile.mkdtemp(prefix="jail-")
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
    for path in readable:
        _bind(path, root)
    for path in masked:
        if path.is_dir():
            linux.mount(
                "tmpfs", root + str(path), "tmpfs", linux.MS_RDONLY | linux.MS_NOSUID, "mode=755,size=0"
            )
    for name in ("tmp", "proc", "dev/shm", "old", SPACE.strip("/")):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    for name in _DEVICES:
        Path(f"{root}/dev/{name}").touch()
        linux.mount(f"/dev/{name}", f"{root}/dev/{name}", "none", linux.MS_BIND)
    linux.pivot_root(root, f"{root}/old")
    os.chdir("/")
    with contextlib.suppress(OSError):
        # a user namespace may mount its own proc only while the old one is still in sight
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    linux.unmount("/old")
    os.rmdir("/old")
    linux.mount("none", "/", "none", linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY)


def _bind(path: Path, root: str) -> None:
    target = root + str(path)
    if path.is_symlink():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        return
    if path.is_dir():
        os.makedirs(target, exist_ok=True)
    elif path.is_file():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    else:
        return
    linux.mount(str(path), target, "none", linux.MS_BIND | linux.MS_REC)
    flags = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID
    linux.mount("none", target, "none", flags | linux.MS_NODEV)


def confine(limits: Limits, private: bool) -> None:
    """Give up, in a freshly forked child, everything that student code (or a parser of its bytes) has no use for.

    Args:
        limits: of this process.
        private: also give it an own writable space, ``/dev/shm`` and ``/proc``; needs a jail that was entered.
    """
    if private:
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWIPC)
        space = f"mode=1777,size={limits.file_mb}m"
        for folder in (SPACE, "/dev/shm"):
            linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, space)
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
        os.chdir(SPACE)
    used_mb = _memory_used_mb()
    for what, most in (
        (resource.RLIMIT_AS, (used_mb + limits.memory_mb) * 2**20),
        (resource.RLIMIT_FSIZE, limits.file_mb * 2**20),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    if _may_change_uid():
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (limits.processes, limits.processes))
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    with contextlib.suppress(OSError):  # a uid change has dropped them already
        linux.drop_capabilities()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.set_seccomp_filter(seccomp.program())


def _may_change_uid() -> bool:
    """Whether more than one uid is mapped here, as it is outside user namespaces."""
    return os.getuid() == 0 and int(Path("/proc/self/uid_map").read_text().split()[2]) > NOBODY


def _memory_used_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize() // 2**20
