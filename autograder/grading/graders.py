"""The warm processes that grade a lab: started when first needed, shared by threads, replaced when they fail."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from autograder.isolation import jail


class NoJail(RuntimeError):
    """This machine allows no jail, and nobody said that it may go without."""


class Graders:
    """The warm processes that grade one lab; threads may share them."""

    def __init__(
        self,
        lab: str,
        unsafe: bool = False,
        process: jail.Limits | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Write the students' view of the lab and warm up both sides at the same time.

        Args:
            lab: as in the course's folders.
            unsafe: without jails, for machines that allow none.
            process: what a student process may use.
            scratch: where the view is written; by default the system's folder for temporary files.

        Raises:
            NoJail: there can be none on this machine, and ``unsafe`` was not asked for.
            ZygoteError: one of them did not start.
        """
        # here, since they bring torch, which a program that only starts workers does not need
        from autograder.isolation.student_view import write_student_view
        from autograder.isolation.warm import checker_zygote, student_zygote

        if not unsafe:
            require_jail()
        self._stack = contextlib.ExitStack()
        try:
            folder = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="students-view-", dir=scratch))
            )
            folder.chmod(0o755)
            view = write_student_view(folder / "view", lab)
            with ThreadPoolExecutor(2) as both:
                starting = [
                    both.submit(student_zygote, view, process, unsafe),
                    both.submit(checker_zygote, unsafe=unsafe),
                ]
            for future in starting:
                if future.exception() is None:
                    self._stack.enter_context(future.result())
            self.student, self.checker = (future.result() for future in starting)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Graders:
        """Everything is warm."""
        return self

    def __exit__(self, *_: object) -> None:
        """End both zygotes and their children, remove the view."""
        self._stack.close()


def require_jail() -> None:
    """Make sure that learners' code can be confined on this machine.

    Raises:
        NoJail: with the reason, and what can be done.
    """
    if reason := jail.problem():
        raise NoJail(
            f"this machine allows no jail for learners' code ({reason}); docs/security.md says what is needed. "
            "To run code that you trust without one: `autograder grade --unsafe`, or for nbgrader's own commands "
            "and the Formgrader `c.ExecuteSubmission.unsafe = True` in nbgrader_config.py"
        )


@dataclass
class _Lent:
    key: tuple[str, bool]
    graders: Graders
    users: int = 0


class WarmGraders:
    """At most one lab's graders, kept warm from one submission to the next."""

    def __init__(self, idle_seconds: float | None = None, scratch: Path | None = None) -> None:
        """Nothing is started yet.

        Args:
            idle_seconds: after so many seconds without work the processes are ended; None: when `close` is called.
            scratch: see `Graders`.
        """
        self._idle_seconds, self._scratch = idle_seconds, scratch
        self._lock = threading.Lock()
        self._current: _Lent | None = None
        self._timer: threading.Timer | None = None

    @contextlib.contextmanager
    def lend(self, lab: str, unsafe: bool = False) -> Iterator[Graders]:
        """The lab's graders, warmed up if they are not. A `ZygoteError` in the block: the next one gets new ones.

        Raises:
            NoJail: see `Graders`.
            ZygoteError: they did not start.
        """
        from autograder.isolation.warm import ZygoteError

        with self._lock:
            self._cancel_timer()
            if self._current is None or self._current.key != (lab, unsafe):
                self._retire()
                self._current = _Lent((lab, unsafe), Graders(lab, unsafe, scratch=self._scratch))
            lent = self._current
            lent.users += 1
        failed = False
        try:
            yield lent.graders
        except ZygoteError:
            failed = True
            raise
        finally:
            with self._lock:
                lent.users -= 1
                if failed and lent is self._current:
                    self._retire()
                elif lent is not self._current and not lent.users:
                    lent.graders.__exit__()
                elif not lent.users and self._idle_seconds is not None:
                    self._cancel_timer()
                    self._timer = threading.Timer(self._idle_seconds, self.close)
                    self._timer.daemon = True
                    self._timer.start()

    def close(self) -> None:
        """End the processes, unless they are at work: then they end with it."""
        with self._lock:
            self._cancel_timer()
            self._retire()

    def _retire(self) -> None:
        lent, self._current = self._current, None
        if lent is not None and not lent.users:
            lent.graders.__exit__()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
