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

    case: Case
    on_device: bool
    answer: Answer
    wrong: bool


def diagnose(exercise: Exercise, observed: Sequence[Observed]) -> Misconception | None:
    """The first misconception that gives the learner's answer in every case, the wrong ones above all.

    The wrong cases come first, so that most misconceptions are dismissed after a single call.
    """
    ordered = sorted(observed, key=lambda item: not item.wrong)
    if not ordered or not ordered[0].wrong:
        return None
    return next((known for known in exercise.misconceptions if _behaves_like(known, ordered)), None)


def _behaves_like(known: Misconception, observed: Sequence[Observed]) -> bool:
    return all(
        same_answer(
            item.answer,
            answer(known.function, item.case, seconds=SECONDS, on_device=item.on_device),
            TOLERANCE,
        )
        for item in observed
    )
