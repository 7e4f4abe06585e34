"""The checks, checked: every misconception must be rejected, every right way of writing accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..exercises import Exercise, load, names
from .examine import examine


@dataclass(frozen=True)
class SelftestResult:
    """One implementation and what the check said of it; ``problem`` is empty when the check was right."""

    exercise: str
    kind: Literal["reference", "right", "misconception"]
    implementation: str
    status: str
    diagnosed: str | None
    problem: str


def run_selftest(exercises: Iterable[str] | None = None, seed: int = 0) -> Iterator[SelftestResult]:
    """Check each exercise's reference, right variants and misconceptions, hidden and device cases included."""
    for name in names() if exercises is None else exercises:
        exercise = load(name)
        yield _accept(exercise, "reference", "reference", exercise.oracle, seed)
        for i, variant in enumerate(exercise.right_variants):
            yield _accept(exercise, "right", f"{i + 1}: {variant.__name__.strip('_')}", variant, seed)
        for known in exercise.misconceptions:
            yield _reject(exercise, known.name, known.function, seed)


def _accept(
    exercise: Exercise, kind: Literal["reference", "right"], label: str, function, seed: int
) -> SelftestResult:
    outcome = examine(exercise, function, hidden=True, seed=seed, delegation=kind == "right")
    problem = (
        ""
        if outcome.status == "correct"
        else f"a right implementation is {outcome.status}: {outcome.message}"
    )
    return SelftestResult(exercise.name, kind, label, outcome.status, outcome.misconception, problem)


def _reject(exercise: Exercise, label: str, function, seed: int) -> SelftestResult:
    outcome = examine(exercise, function, hidden=True, seed=seed)
    problem = ""
    if outcome.status == "correct":
        problem = "a wrong implementation passes"
    elif outcome.status == "delegated":
        problem = f"delegates, which hides its mistake: {outcome.message}"
    elif outcome.misconception != label:
        problem = f"diagnosed as {outcome.misconception!r}"
    return SelftestResult(
        exercise.name, "misconception", label, outcome.status, outcome.misconception, problem
    )
