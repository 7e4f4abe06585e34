"""Exercises that check themselves: ``from autograder import check, hint, verified``."""

from .checking import Outcome, check, hint, verified

__all__ = ["Outcome", "check", "hint", "verified"]
