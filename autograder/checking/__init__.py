"""Running an exercise's cases against a function, and saying what is wrong with it."""

from .check import check
from .hints import hint
from .outcome import Outcome
from .verified import verified

__all__ = ["Outcome", "check", "hint", "verified"]
