"""Stop code that does not return, from inside its own process."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator

_AGAIN = 0.1  # seconds between two tries: code that swallows the first exception gets the next one elsewhere


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
    def stop(signum: int, frame: object) -> None:
        if armed:
            raise TimeLimitExceeded

    armed = True
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
    thread = ctypes.c_ulong(threading.get_ident())
    finished = threading.Event()
    lock = threading.Lock()

    def watch() -> None:
        wait = seconds
        while not finished.wait(wait):
            with lock:
                if not finished.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeLimitExceeded))
            wait = _AGAIN

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with lock:
            finished.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # withdraw one that has not arrived yet
        watcher.join()
