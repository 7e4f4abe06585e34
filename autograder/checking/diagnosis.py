"""Which known mistake does a function behave like?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..exercises import Case, Exercise, Misconception
from .answer import Answer, answer, same_answer
from .compare import find_mismatch

TOLERANCE = (1e-4, 1e-5)
SECONDS = 2.0  # for one case of one misconception


@dataclass(frozen=True)
class Observed:
    """One case as the learner's function answered it."""

    family: str
    case: Case
    on_device: bool
    answer: Answer
    expected: Answer
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
        return (
            f"This mistake explains it: “{known.name}”. {known.advice} A second mistake shows in other cases."
        )


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
            if all(_explains(exercise, known, item) for item in cases):
                return Diagnosis(known, everywhere)
    return None


def _explains(exercise: Exercise, known: Misconception, item: Observed) -> bool:
    """Whether the mistake gives the learner's answer and, where that is wrong, is itself wrong."""
    theirs = answer(known.function, item.case, seconds=SECONDS, on_device=item.on_device)
    if not same_answer(item.answer, theirs, TOLERANCE):
        return False
    return not item.wrong or find_mismatch(exercise, item.case, theirs, item.expected, SECONDS) is not None
