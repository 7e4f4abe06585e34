"""Notice a function that calls the answer instead of being it.

The answer: the library's reference, torchvision, or the one torch function that is the exercise.
Kind advice for honest learners: inside one process a determined one can get around it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from fnmatch import translate
from functools import cache
from types import CodeType, FrameType
from typing import Any


class CallWatch:
    """While it is active, notes the first forbidden function that this thread calls.

    ``found`` is its qualified name, or None.
    """

    def __init__(self, patterns: Iterable[str], code: CodeType | None = None) -> None:
        """Forbid functions whose "module.name" fits a pattern, and the one with this code."""
        self.found: str | None = None
        self._code = code
        # the same few functions are called again and again
        self._is_forbidden = cache(re.compile("|".join(map(translate, patterns)) or r"(?!)").match)

    def __enter__(self) -> CallWatch:
        """Start noting calls."""
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
            if frame.f_code is self._code or self._is_forbidden(name):
                self.found = name
        elif event == "c_call":
            name = f"{getattr(argument, '__module__', None) or ''}.{getattr(argument, '__name__', '')}"
            if self._is_forbidden(name):
                self.found = name
