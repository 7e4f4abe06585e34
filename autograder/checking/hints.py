"""`hint`: one hint at a time."""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import count

from ..exercises import load

_shown: dict[str, count] = {}


@dataclass(frozen=True)
class Hint:
    """A hint that shows itself as text or, in a notebook, as a small block."""

    name: str
    number: int
    total: int
    text: str

    def __str__(self) -> str:
        """The hint as plain text."""
        return f"Hint {self.number} of {self.total} for {self.name}: {self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return (
            '<div role="note" style="border-left:5px solid #0072B2;padding:.3em .9em">'
            f"<strong>Hint {self.number} of {self.total}</strong> {html.escape(self.text)}</div>"
        )


def hint(name: str, number: int | None = None) -> Hint:
    """The next hint of an exercise (the last one again after that), or hint ``number``, counted from 1."""
    hints = load(name).hints
    if number is None:
        number = min(next(_shown.setdefault(name, count(1))), len(hints))
    if not 1 <= number <= len(hints):
        raise ValueError(f"{name} has hints 1 to {len(hints)}; there is no hint {number}.")
    return Hint(name, number, len(hints), hints[number - 1])
