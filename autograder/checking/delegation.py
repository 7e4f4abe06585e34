"""Notice a function that calls the answer instead of being it.

The answer: the library's reference, torchvision, or the one torch function that is the exercise.

Kind advice for honest learners: inside one process a determined one can get around it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from types import CodeType, FrameType
from typing import Any

from ..exercises import Exercise


class Delegation:
    """While it is active, notes the first forbidden function that is called (``.found``, a qualified name, or None)."""

    def __init__(self, exercise: Exercise) -> None:
        """Forbid the exercise's delegates and its reference."""
        self.found: str | None = None
        self._patterns = exercise.delegates
        self._reference = _code_of(exercise.oracle)

    def __enter__(self) -> Delegation:
        """Start noting calls in this thread."""
        self._previous = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop noting."""
        sys.setprofile(self._previous)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if self.found is not None:
            return
        if event == "call":
            module = frame.f_globals.get("__name__", "")
            name = f"{module}.{frame.f_code.co_qualname}"
            if frame.f_code is self._reference or self._is_forbidden(name):
                self.found = name
        elif event == "c_call":
            name = f"{getattr(argument, '__module__', None) or ''}.{getattr(argument, '__name__', '')}"
            if self._is_forbidden(name):
                self.found = name

    def _is_forbidden(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)


def _code_of(function: Callable[..., Any]) -> CodeType | None:
    return getattr(function, "__code__", None)
