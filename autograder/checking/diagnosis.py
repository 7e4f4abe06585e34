"""Which known mistake does a function behave like?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..exercises import Case, Exercise, Misconception
from .answer import Answer, answer, same_answer

TOLERANCE = (1e-4, 1e-5)
SECONDS = 2.0  # for one case of one misconception


@dataclass(frozen=True)
class Observed:
    """One case as the learner's function answered it."""

    family: str
    case: Case
    on_device: bool
    answer: Answer
    wrong: bool


@dataclass(frozen=True)
class Diagnosis:
    """A known mistake that explains the learner's answers: all of them, or those of the first family that fails."""

    misconception: Misconception
    everywhere: bool

    def __str__(self) -> str:
        """What the learner is told."""
        known = self.misconception
        if self.everywhere:
            return f"It behaves like “{known.name}”. {known.advice}"
        return f"In these cases it behaves like “{known.name}”; elsewhere there is something more. {known.advice}"


def diagnose(exercise: Exercise, observed: Sequence[Observed]) -> Diagnosis | None:
    """The first misconception that gives the learner's answer in every case, or in the first family that fails.

    The wrong cases come first, so that most misconceptions are dismissed after a single call.
    """
    wrong = [item for item in observed if item.wrong]
    if not wrong:
        return None
    everything = wrong + [item for item in observed if not item.wrong]
    family = [item for item in everything if item.family == wrong[0].family]
    for cases, everywhere in ((everything, True), (family, False)):
        for known in exercise.misconceptions:
            if _behaves_like(known, cases):
                return Diagnosis(known, everywhere)
    return None


def _behaves_like(known: Misconception, observed: Sequence[Observed]) -> bool:
    return all(
        same_answer(
            item.answer,
            answer(known.function, item.case, seconds=SECONDS, on_device=item.on_device),
            TOLERANCE,
        )
        for item in observed
    )
