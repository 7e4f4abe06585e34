"""The grader's handle on a zygote: start it, fork children with a socket, end them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from .jail import SPACE, Limits
from .protocol import Channel

START_SECONDS = 120.0  # a cold disk and a busy machine: importing torch alone can take a minute

STUDENT_PRELOAD = (
    "torch",
    "numpy",
    "IPython.core.inputtransformer2",
    "detseg.models.fast_rcnn",
    "detseg.data.farm",
)
CHECKER_PRELOAD = ("torch", "autograder.isolation.checker")

# what student code must not find among the installed packages
_MASKED = ("torchvision", "torchvision.libs", "nbgrader", "autograder", "detseg", "pycocotools")
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
        """
        limits = limits or Limits()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the zygote
        arguments = ["--control", str(theirs.fileno()), "--child", child, "--preload", *preload]
        arguments += ["--readable", *map(str, readable), "--masked", *map(str, masked)]
        arguments += ["--limits", json.dumps(limits.__dict__), *(["--unsafe"] if unsafe else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autograder.isolation.zygote", *arguments],
            pass_fds=[theirs.fileno()],
            env=_environment(path),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        theirs.close()
        self._numbers = count()
        self._turn = threading.Lock()  # threads may share a zygote; one request at a time
        self._control.settimeout(START_SECONDS)
        self._reply()
        self._control.settimeout(30.0)

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

    @contextlib.contextmanager
    def child(self) -> Iterator[Child]:
        """A new child; it is killed at the end of the block, whatever it does."""
        ours, theirs = socket.socketpair()
        number = next(self._numbers)
        with ours, theirs:
            with self._turn:
                socket.send_fds(self._control, [json.dumps({"fork": number}).encode()], [theirs.fileno()])
                self._reply()
            theirs.close()
            child = Child(ours)
            try:
                yield child
            finally:
                with self._turn:
                    self._control.send(json.dumps({"end": number}).encode())
                    child.status = self._reply()["status"]

    def _reply(self) -> dict:
        try:
            reply = self._control.recv(65536)
        except OSError:
            reply = b""
        if not reply:
            self._process.kill()
            self._log.seek(0)
            raise ZygoteError("a warm process ended:\n" + self._log.read().decode(errors="replace")[-2000:])
        return json.loads(reply)


class Child:
    """A forked process and the socket to it. ``status`` is known once it has ended."""

    def __init__(self, connection: socket.socket) -> None:
        """Talk over this socket."""
        self.connection = connection
        self.channel = Channel(connection)
        self.status: int | None = None


def student_zygote(view: Path, limits: Limits | None = None, unsafe: bool = False) -> Zygote:
    """A zygote for student processes of the lab that ``view`` was written for."""
    packages = Path(sysconfig.get_path("purelib"))
    return Zygote(
        "autograder.isolation.student:serve",
        STUDENT_PRELOAD,
        path=[view],
        readable=[*_machine(), view],
        masked=[packages / name for name in _MASKED],
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
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    return [Path(path) for path in _SYSTEM] + sorted(path for path in prefixes if path != Path("/usr"))


def _environment(path: Iterable[Path]) -> dict[str, str]:
    """Nothing of the grader's own environment but what Python needs to start."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "HOME": SPACE,
        "TMPDIR": SPACE,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
