"""The grader's handle on a zygote: start it, fork children with a socket, end them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from . import cgroup
from .channel import Channel
from .jail import SPACE, Limits
from .zygote import READY

START_SECONDS = 120.0  # a cold disk and a busy machine: importing torch alone can take a minute
REPLY_SECONDS = 30.0
_CREDENTIALS = struct.Struct("3i")  # process, user, group

STUDENT_PRELOAD = (
    "torch",
    "numpy",
    "torch._decomp.decompositions_for_jvp",  # what would be looked for on disk, where it is hidden
    "torch._decomp.decompositions_for_rng",
    "torch._refs.nn.functional",
    "IPython.core.inputtransformer2",
    "detseg.models.fast_rcnn",
    "detseg.data.farm",
)
CHECKER_PRELOAD = ("torch", "autograder.isolation.checker")

# what student code must not find among the installed packages
_MASKED = (
    "torchvision", "torchvision.libs", "nbgrader", "autograder", "detseg", "pycocotools",
    "torch/_decomp", "torch/_refs", "torch/testing/_internal", "scipy", "sklearn", "skimage", "cv2",
)  # fmt: skip
_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
)


class ZygoteError(RuntimeError):
    """A zygote did not start or went away; the message holds the end of what it wrote."""


class Zygote:
    """A warm process that forks children. Use it as a context manager: nothing is left running after it."""

    def __init__(
        self, child: str, preload: Iterable[str], path: Iterable[Path], readable: Iterable[Path],
        masked: Iterable[Path] = (), limits: Limits | None = None, unsafe: bool = False,
    ) -> None:  # fmt: skip
        """Start it and wait until it is warm.

        Args:
            child: "module:function" that each child runs with its end of the socket.
            preload: modules to import before the first fork.
            path: folders in front of its ``sys.path``.
            readable: what its jail shows, read-only.
            masked: folders below those that appear empty.
            limits: of each child.
            unsafe: no jail.

        Raises:
            ZygoteError: it did not start.
        """
        self._limits = limits or Limits()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the zygote
        # in a jail each child has a folder of its own to work in; without one it makes one here
        self._folder = tempfile.TemporaryDirectory(prefix="unsafe-") if unsafe else None
        arguments = ["--control", str(theirs.fileno()), "--child", child, "--preload", *preload]
        arguments += ["--readable", *map(str, readable), "--masked", *map(str, masked)]
        arguments += ["--limits", json.dumps(self._limits.__dict__), *(["--unsafe"] if unsafe else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.isolation.zygote", *arguments],
            pass_fds=[theirs.fileno()],
            env=_environment(path),
            cwd=self._folder.name if self._folder else "/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        theirs.close()
        self._numbers = count()
        self._turn = threading.Lock()  # threads may share a zygote; one request at a time
        cgroup.sweep()
        try:
            self._reply(START_SECONDS)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Zygote:
        """Nothing more to do: it is warm."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it and all its children."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        self._log.close()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Of the process that was started; in a jail, the warm one is its only child."""
        return self._process.pid

    @contextlib.contextmanager
    def child(self) -> Iterator[Child]:
        """A new child; it is killed at the end of the block, whatever it does.

        Raises:
            ZygoteError: none could be started, or the zygote has gone. This is never the learner's fault.
        """
        ours, theirs = socket.socketpair()
        number = next(self._numbers)
        with ours, contextlib.ExitStack() as stack:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with theirs:
                self._ask({"fork": number}, theirs.fileno())
            child = Child(ours)
            groups = stack.enter_context(contextlib.ExitStack())  # to be removed when the child has ended
            stack.callback(self._end, number, child)
            child.wait_until_ready()
            memory_mb = self._limits.memory_mb + self._limits.file_mb
            groups.enter_context(cgroup.limited(child.pid, memory_mb, self._limits.threads))
            yield child

    def _end(self, number: int, child: Child) -> None:
        child.status = self._ask({"end": number})["status"]

    def _ask(self, order: dict, *descriptors: int) -> dict:
        with self._turn:
            try:
                socket.send_fds(self._control, [json.dumps(order).encode()], list(descriptors))
            except OSError:
                raise ZygoteError(self._last_words()) from None
            reply = self._reply(REPLY_SECONDS)
        if "error" in reply:
            raise ZygoteError(reply["error"])
        return reply

    def _reply(self, seconds: float) -> dict:
        self._control.settimeout(seconds)
        try:
            reply = self._control.recv(65536)
        except OSError:
            reply = b""
        if not reply:
            raise ZygoteError(self._last_words())
        return json.loads(reply)

    def _last_words(self) -> str:
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()
        return f"a warm process ended (status {self._process.returncode}):\n{said[-2000:]}"


class Child:
    """A forked process and the socket to it. ``status`` is known once it has ended."""

    def __init__(self, connection: socket.socket) -> None:
        """Talk over this socket."""
        self.connection = connection
        self.channel = Channel(connection)
        self.pid = 0
        self.status: int | None = None

    def wait_until_ready(self) -> None:
        """Until it is confined. What happens before is the grader's own doing, afterwards the learner's.

        With the word comes the kernel's: the number of the process as it is called out here.
        """
        self.connection.settimeout(REPLY_SECONDS)
        try:
            said, details, *_ = self.connection.recvmsg(500, socket.CMSG_SPACE(_CREDENTIALS.size))
        except OSError:
            said, details = b"", []
        if said != READY:
            raise ZygoteError(said.decode(errors="replace") or "a process ended before it was confined")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        for _, kind, data in details:
            if kind == socket.SCM_CREDENTIALS:
                self.pid = _CREDENTIALS.unpack(data)[0]


def student_zygote(view: Path, limits: Limits | None = None, unsafe: bool = False) -> Zygote:
    """A zygote for student processes of the lab that ``view`` was written for."""
    return Zygote(
        "autograder.isolation.student:serve",
        STUDENT_PRELOAD,
        path=[view],
        readable=[*_machine(), view],
        masked=_masked(),
        limits=limits,
        unsafe=unsafe,
    )


def checker_zygote(unsafe: bool = False) -> Zygote:
    """A zygote for checker processes, which see the exercises but nothing of students, gradebook or network."""
    root = Path(__file__).parents[2]
    readable = [*_machine(), root / "autograder", root / "src"]
    path = [root, root / "src"]
    return Zygote("autograder.isolation.checker:serve", CHECKER_PRELOAD, path, readable, unsafe=unsafe)


def _machine() -> list[Path]:
    """The system's programs and libraries, and Python's own."""
    return [Path(path) for path in _SYSTEM] + sorted(path for path in _prefixes() if path != Path("/usr"))


def _prefixes() -> set[Path]:
    return {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}


def _masked() -> list[Path]:
    """Packages of any Python below what a student process sees that hold answers, and conda's copies of packages."""
    folders = {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}
    for prefix in _prefixes() | {Path("/usr"), Path("/usr/local")}:
        folders |= set(prefix.glob("lib*/python3*/*-packages"))
    found = [folder / name for folder in folders for name in _MASKED if (folder / name).is_dir()]
    return sorted(found + [prefix / "pkgs" for prefix in _prefixes() if (prefix / "pkgs").is_dir()])


def _environment(path: Iterable[Path]) -> dict[str, str]:
    """Nothing of the grader's own environment but what Python needs to start."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "HOME": SPACE,
        "TMPDIR": SPACE,
        "USER": "student",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
