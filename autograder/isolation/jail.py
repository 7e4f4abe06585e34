"""The jail: a zygote moves into a world that holds only what student code may see; each child then gives up the rest.

As root: own mount, network, IPC and process namespaces, a root folder made of read-only binds, a real unprivileged uid.
Without root: the same inside a user namespace. Where neither can be had there is no jail, and `problem` says why.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import linux, seccomp

# Each child gets a uid of its own from those that systemd sets aside for passing services: no account has them, and two
# students' processes share no limit and no permission.
_UIDS = range(61184, 65520)
SPACE = "/student"  # the only writable folder; not /tmp, below which the course itself may be installed
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PRIVATE = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


@dataclass(frozen=True)
class Limits:
    """What one student process may use. A process is all it can have (`seccomp`), so these bound a submission."""

    memory_mb: int = 3000  # above what the warm process already has
    threads: int = 32
    file_mb: int = 64  # of each file, and of all files together
    files: int = 2000
    cpu_seconds: int = 300
    open_files: int = 256


def kind() -> str:
    """What kind of jail this machine allows: "root", "user namespace", or "" for none."""
    if problem():
        return ""
    return "root" if os.geteuid() == 0 else "user namespace"


def problem() -> str:
    """Why there is no jail on this machine, in one line; empty when there is one. It is tried in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            isolate()
            enter([Path("/usr")], [])
            linux.unshare(linux.CLONE_NEWPID)
            if (inner := os.fork()) == 0:
                confine(Limits(), private=True)
                os._exit(0)
            if os.waitpid(inner, 0)[1] != 0:
                raise OSError("a process could not be confined")
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".splitlines()[0].encode()[:1000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        reason = said.read().decode(errors="replace")
    os.waitpid(child, 0)
    return reason


def isolate() -> None:
    """Go on in a child that is the first in a process namespace of its own: when it ends, so does all that it started.

    This process stays outside and ends when the child does; the child ends when this process does.
    """
    uid, gid = os.getuid(), os.getgid()
    if uid != 0:
        linux.unshare(linux.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    linux.unshare(linux.CLONE_NEWPID)
    if child := os.fork():
        os.closerange(3, 65536)  # whoever talks to the child must hear of its end
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def enter(readable: Iterable[Path], masked: Iterable[Path]) -> None:
    """Move this process, for good, into a world of its own. Called once, after `isolate`, with a single thread.

    Args:
        readable: folders and files that stay where they are, read-only; nothing else of the machine remains.
        masked: folders below them that become empty.
    """
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    linux.mount("none", "/", "none", linux.MS_REC | linux.MS_PRIVATE)
    root = tempfile.mkdtemp(prefix="jail-")
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
    for path in readable:
        _bind(path, root)
    for path in masked:
        if path.is_dir():
            linux.mount("tmpfs", root + str(path), "tmpfs", linux.MS_RDONLY | _PRIVATE, "mode=755,size=4k")
    for name in ("tmp", "proc", "dev/shm", "old", SPACE.strip("/")):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    for name in _DEVICES:
        Path(f"{root}/dev/{name}").touch()
        linux.mount(f"/dev/{name}", f"{root}/dev/{name}", "none", linux.MS_BIND)
    # children mount a proc of their own over it, which a user namespace may do only where one is in sight
    linux.mount("/proc", f"{root}/proc", "none", linux.MS_BIND | linux.MS_REC)
    linux.pivot_root(root, f"{root}/old")
    os.chdir("/")
    os.rmdir(f"/old{root}")
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
    linux.make_read_only(target)


def confine(limits: Limits, private: bool) -> None:
    """Give up, in a freshly forked child, everything that student code (or a parser of its bytes) has no use for.

    Args:
        limits: of this process.
        private: also give it an own writable space, ``/dev/shm`` and ``/proc``; needs a jail that was entered.
    """
    used_mb = _memory_used_mb()
    owns_uids = _owns_uids()
    if private:
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWNET)
        _mount_private(limits)
        os.chdir(SPACE)
    for what, most in (
        (resource.RLIMIT_AS, (used_mb + limits.memory_mb) * 2**20),
        (resource.RLIMIT_FSIZE, limits.file_mb * 2**20),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_SIGPENDING, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _limit(what, most)
    if owns_uids:
        uid = random.SystemRandom().choice(_UIDS)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _limit(resource.RLIMIT_NPROC, limits.threads)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # the zygote's end is the child's
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    with contextlib.suppress(OSError):  # a uid change has dropped them already
        linux.drop_capabilities()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.set_seccomp_filter(seccomp.program())


def _mount_private(limits: Limits) -> None:
    for folder, size_mb in ((SPACE, limits.file_mb), ("/dev/shm", 1)):
        options = f"mode=1777,size={size_mb}m,nr_inodes={limits.files}"
        linux.mount("tmpfs", folder, "tmpfs", _PRIVATE, options)
    try:
        linux.mount("proc", "/proc", "proc", _PRIVATE)
    except OSError:  # a container that hides parts of its own /proc; then there is none
        linux.mount("tmpfs", "/proc", "tmpfs", linux.MS_RDONLY | _PRIVATE, "size=4k")


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _owns_uids() -> bool:
    """Whether more than one uid is mapped here, as it is outside user namespaces."""
    mapped = Path("/proc/self/uid_map").read_text().split()
    return os.getuid() == 0 and int(mapped[0]) == 0 and int(mapped[2]) > _UIDS.stop


def _memory_used_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize() // 2**20
