"""nbgrader says everything in its log: keep the errors to report them, and the rest off the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from traitlets import log


class _Keep(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Collects nbgrader's error messages; nothing is printed."""
    lines: list[str] = []
    logger, handler = log.get_logger(), _Keep(lines)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
