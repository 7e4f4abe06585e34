"""A line about something slow: alive in a terminal, and a line now and then where the output goes to a file."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console

EVERY = 20.0  # seconds between two lines in a file


class Progress:
    """While it is open, shows ``title`` and the last thing that was said; slow things leave a line behind."""

    def __init__(self, console: Console, title: str) -> None:
        """Nothing is shown before the ``with`` block."""
        self._console, self._title = console, title
        self._status = console.status(title)
        self._started = self._last = time.monotonic()

    def __enter__(self) -> Progress:
        """Start to show it."""
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and leave a line if it took a second or more."""
        self._status.stop()
        if (seconds := time.monotonic() - self._started) >= 1:
            self._console.print(f"{seconds:6.1f} s  {self._title}", highlight=False, markup=False)

    def say(self, text: str) -> None:
        """Show the last line of what a program printed (progress bars print the same line again and again)."""
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        if not lines:
            return
        now = time.monotonic()
        self._status.update(
            f"{self._title}  [{now - self._started:.0f} s]  {lines[-1][:80]}".replace("[", "\\[")
        )
        if not self._console.is_terminal and now - self._last > EVERY:
            self._last = now
            self._console.print(f"          {lines[-1][:100]}", highlight=False, markup=False)
