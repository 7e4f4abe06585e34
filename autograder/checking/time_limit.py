"""Stop code that does not return, from inside its own process."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

_AGAIN = 0.1  # seconds between two tries: code that swallows the first exception gets the next one elsewhere
_IMPORTING = 60.0  # seconds an import may finish in: one that is cut short leaves a broken module behind


class TimeLimitExceeded(BaseException):
    """Raised inside the code that ran too long. Not an Exception, so that `except Exception` lets it through."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitExceeded` in the body once it has run for ``seconds``.

    In the main thread an alarm signal also wakes sleeping and waiting code; elsewhere (and on Windows) a watchdog
    thread raises the exception at the next Python instruction. One long call into C code ends when it returns.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    with _alarm(seconds) if on_main_thread and hasattr(signal, "setitimer") else _watchdog(seconds):
        yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        if armed and (not _is_importing(frame) or time.monotonic() > patience):
            raise TimeLimitExceeded

    armed = True
    patience = time.monotonic() + seconds + _IMPORTING
    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        armed = False  # first, so that a late alarm cannot raise in our own clean-up
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    watched = threading.get_ident()
    patience = time.monotonic() + seconds + _IMPORTING
    finished = threading.Event()
    lock = threading.Lock()

    def watch() -> None:
        wait = seconds
        while not finished.wait(wait):
            with lock:
                importing = _is_importing(sys._current_frames().get(watched)) and time.monotonic() < patience
                if not finished.is_set() and not importing:
                    thread = ctypes.c_ulong(watched)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeLimitExceeded))
            wait = _AGAIN / 10  # unlike a signal it often arrives where such code swallows it

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        # One that was raised but has not arrived yet arrives here, anywhere: then all of this is done again, so that
        # none is left for what follows. (Withdrawing it instead, by raising None, leaves Python 3.11 with a flag that
        # turns the next profiled call into an endless loop.)
        quiet = False
        while not quiet:
            with contextlib.suppress(TimeLimitExceeded):
                with lock:
                    finished.set()
                watcher.join()
                for _ in range(3):
                    time.sleep(0)
                quiet = True


def _is_importing(frame: FrameType | None) -> bool:
    """Whether an import is under way in this frame or one that called it."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False
