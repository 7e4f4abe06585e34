"""`check`: run a learner's function on an exercise's cases and say what is wrong with it."""

from __future__ import annotations

import inspect
import os
import random
from collections.abc import Callable
from typing import Any

from ..exercises import Exercise, load
from .examine import examine
from .outcome import Outcome


def check(
    function: Callable[..., Any], name: str | None = None, hidden: bool = False, seed: int | None = None
) -> Outcome:
    """Check ``function`` against the exercise of its name (or ``name``).

    Args:
        function: the learner's function. Whatever it raises becomes part of the outcome; it is stopped
            when a case takes longer than a few seconds.
        name: the exercise, when the function is called otherwise.
        hidden: also run the hidden families, with cases nobody has seen before.
        seed: draws the cases; by default 0 for the visible ones, and for the hidden ones the environment's
            ``AUTOGRADER_SEED`` or a new seed, shown in the outcome.

    Raises:
        UnknownExercise: when no exercise has that name.
        TypeError: when ``function`` cannot be called at all.
    """
    if not callable(function):
        raise TypeError(
            f"check wants the function itself, as in check(roi_pool); this is a {type(function).__name__}."
        )
    exercise = load(name or getattr(function, "__name__", ""))
    seed = _default_seed(hidden) if seed is None else int(seed)
    if problem := _wrong_kind(exercise, function):
        return Outcome(exercise.name, "incorrect", 0.0, exercise.points, problem, seed=seed, hidden=hidden)
    return examine(exercise, function, hidden=hidden, seed=seed)


def _default_seed(hidden: bool) -> int:
    if not hidden:
        return 0
    return int(os.environ.get("AUTOGRADER_SEED") or random.SystemRandom().randrange(10**6))


def _wrong_kind(exercise: Exercise, function: Callable[..., Any]) -> str:
    """One line when ``function`` cannot be what the exercise asks for, else an empty string."""
    wanted = inspect.signature(exercise.oracle)
    if inspect.isclass(function):
        return f"{exercise.name} is a class here, but must be a function: write `def {exercise.name}{_names(wanted)}`."
    try:
        inspect.signature(function).bind(*wanted.parameters)
    except TypeError as error:
        return f"The arguments do not fit ({error}): keep the stub's first line, `def {exercise.name}{_names(wanted)}`."
    except ValueError:
        pass  # a callable without a signature: calling it will tell
    return ""


def _names(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"
