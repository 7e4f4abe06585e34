"""What grading one exercise of one submission came to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OUTCOME = "application/vnd.beyond-classification.outcome+json"


@dataclass(frozen=True)
class Result:
    """One graded cell.

    ``status`` is a check's (correct, incorrect, not_attempted, delegated, crashed, timed_out) or ``unreadable``.
    ``reason`` says in one line why a cell without an outcome of its own got nothing.
    """

    exercise: str
    points: float
    possible: float
    status: str
    misconception: str | None = None
    message: str = ""
    case: str | None = None
    seed: int | None = None
    duration: float = 0.0
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        """The inverse of `as_dict`."""
        return cls(**{key: values[key] for key in cls.__dataclass_fields__ if key in values})


def from_outcome(outcome: Mapping[str, Any], exercise: str, possible: float, duration: float) -> Result:
    """The result of a cell whose check showed ``outcome``; its share of the points is applied to ``possible``."""
    points, of = _number(outcome.get("points")), _number(outcome.get("possible"))
    share = min(max(points / of, 0.0), 1.0) if of > 0 else 0.0
    seed = outcome.get("seed")
    return Result(
        exercise=exercise,
        points=round(share * possible, 4),
        possible=possible,
        status=str(outcome.get("status", "crashed")),
        misconception=_text(outcome.get("misconception")),
        message=_text(outcome.get("message")) or "",
        case=_text(outcome.get("case")),
        seed=seed if isinstance(seed, int) else None,
        duration=round(duration, 3),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _text(value: object) -> str | None:
    return str(value)[:4000] if value is not None else None
