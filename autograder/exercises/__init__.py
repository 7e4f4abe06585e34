"""The exercises, one file each. A file is found by its name: ``load("roi_pool")`` reads ``roi_pool.py``."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from .exercise import Case, Exercise, Family, Misconception, Mismatch, Seeded

__all__ = [
    "Case",
    "Exercise",
    "Family",
    "Misconception",
    "Mismatch",
    "Seeded",
    "UnknownExercise",
    "load",
    "names",
]


class UnknownExercise(ValueError):
    """No exercise of this course has that name."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this instead of a traceback: the way through our files helps nobody who misspelt a name."""
        return [f"{type(self).__name__}: {self}"]


@cache
def names() -> tuple[str, ...]:
    """Names of all exercises, in alphabetical order (nothing is imported)."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if module.name != "exercise")


@cache
def load(name: str) -> Exercise:
    """The exercise called ``name``.

    Raises:
        UnknownExercise: with the nearest names, when there is none.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=2, cutoff=0.5)
        suggestion = (
            f"did you mean {' or '.join(near)}?" if near else f"the exercises are {', '.join(names())}."
        )
        raise UnknownExercise(f'there is no exercise called "{name}": {suggestion}')
    return importlib.import_module(f"{__name__}.{name}").EXERCISE
