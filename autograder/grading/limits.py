"""How long things may take while a submission is graded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds: for one cell, for one exercise's checks, for a whole submission."""

    cell: float = 30.0
    exercise: float = 90.0
    submission: float = 300.0


DEFAULT = Limits()
