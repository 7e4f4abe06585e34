"""`verified`: the learner's function where it is right, the library's where it is not yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..exercises import load
from .check import check


def verified(function: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
    """``function`` when its visible check passes, else the library's reference; prints which one runs."""
    exercise = load(name or getattr(function, "__name__", ""))
    outcome = check(function, exercise.name)
    if outcome.status == "correct":
        print(f"{exercise.name}: yours")
        return function
    print(f"{exercise.name}: the library's stands in (yours: {outcome.status.replace('_', ' ')})")
    return exercise.oracle
