"""One grading run at a time on a course."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .journal import JournalError


class Locked(RuntimeError):
    """Another run is at work."""


@contextlib.contextmanager
def course_lock(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; the system lets go of it when this process ends, however it ends.

    Raises:
        Locked: another process has it.
        JournalError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise JournalError(
            f"{path.parent} cannot be written ({error.strerror}): grading keeps its journal there"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip() or "process unknown"
            raise Locked(
                f"another `autograder grade` is at work on this course ({holder}): wait for it to end, or stop it"
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
