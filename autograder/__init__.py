"""Exercises that check themselves: ``from autograder import check, hint, verified``.

The names are imported when they are first asked for: `autograder --help` must not wait for torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checking import Outcome, check, hint, verified

__all__ = ["Outcome", "check", "hint", "verified"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import checking

        return getattr(checking, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
