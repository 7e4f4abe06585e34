"""Keeps nbgrader's log (and SQLAlchemy's advice) off the screen, and its errors to report them."""

from __future__ import annotations

import logging
import warnings
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
