"""The result of a check, as a value that also knows how to show itself."""

from __future__ import annotations

import html
import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["correct", "incorrect", "not_attempted", "delegated", "crashed", "timed_out"]

MIME = "application/vnd.beyond-classification.outcome+json"

# Sign, heading and an Okabe-Ito colour; the sign and the words carry the meaning without the colour.
_LOOK: dict[Status, tuple[str, str, str]] = {
    "correct": ("✓", "correct", "#009E73"),
    "incorrect": ("✗", "not yet right", "#D55E00"),
    "not_attempted": ("○", "not attempted yet", "#0072B2"),
    "delegated": ("↪", "calls the answer instead of writing it", "#CC79A7"),
    "crashed": ("✗", "raises an error", "#D55E00"),
    "timed_out": ("✗", "takes too long", "#D55E00"),
}


@dataclass(frozen=True)
class FamilyResult:
    """Whether a family of cases passed; None when it was not run."""

    name: str
    passed: bool | None


@dataclass(frozen=True)
class Outcome:
    """What `check` found.

    ``misconception`` names the known mistake the function behaves like, ``case`` the family of the first
    failing case, ``seed`` draws the same cases again. ``printed`` is what the function printed in that case.
    """

    name: str
    status: Status
    points: float
    possible: int
    message: str
    misconception: str | None = None
    case: str | None = None
    seed: int | None = None
    hidden: bool = False
    families: tuple[FamilyResult, ...] = ()
    printed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data: what the grader reads from a notebook's output."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Outcome:
        """The inverse of `as_dict`."""
        families = tuple(FamilyResult(**family) for family in values["families"])
        return cls(**{**values, "families": families})

    def __str__(self) -> str:
        """The outcome as plain text."""
        sign, heading, _ = _LOOK[self.status]
        lines = [f"{sign} {self.name}: {heading} - {self.points:g} of {self.possible} points"]
        lines += [f"  {line}" for line in self.message.splitlines()]
        if ran := self._ran():
            lines.append("  " + " ".join(f"[{_mark(family.passed)}] {family.name}" for family in ran))
        if self.printed:
            lines += ["  your function printed:"] + [f"    {line}" for line in self.printed.splitlines()]
        if again := self._again():
            lines.append(f"  the same cases again: {again}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a notebook shows and a grader reads.

        In a kernel the plain text is the number of points: stock nbgrader takes it as partial credit.
        """
        plain = f"{self.points:g}" if "ipykernel" in sys.modules else str(self)
        return {"text/plain": plain, "text/html": self._repr_html_(), MIME: self.as_dict()}

    def _repr_html_(self) -> str:
        """An accessible block: text first, no script, colours that work on light and dark pages."""
        sign, heading, colour = _LOOK[self.status]
        escape = html.escape
        parts = [
            f'<div role="group" aria-label="Check of {escape(self.name)}: {heading}" '
            f'style="border-left:5px solid {colour};padding:.3em .9em;margin:.3em 0;line-height:1.45">',
            f'<div><strong><span aria-hidden="true" style="color:{colour}">{sign}</span> '
            f"<code>{escape(self.name)}</code>: {heading}</strong> "
            f"&nbsp;{self.points:g} of {self.possible} points</div>",
            _paragraphs(self.message),
        ]
        if ran := self._ran():
            items = "".join(
                f'<span style="white-space:nowrap;margin-right:1em">{_mark(family.passed)} '
                f"{escape(family.name)}</span> "
                for family in ran
            )
            parts.append(f'<div style="font-size:90%;opacity:.85;margin-top:.3em">{items}</div>')
        if self.printed:
            summary = "<summary>what your function printed</summary>"
            parts.append(f"<details>{summary}<pre>{escape(self.printed)}</pre></details>")
        if again := self._again():
            parts.append(
                f'<div style="font-size:90%;opacity:.85">The same cases again: <code>{escape(again)}</code></div>'
            )
        return "".join(parts) + "</div>"

    def _ran(self) -> tuple[FamilyResult, ...]:
        return self.families if self.status not in ("not_attempted", "delegated") else ()

    def _again(self) -> str:
        if self.seed is None or self.status in ("correct", "not_attempted", "delegated"):
            return ""
        return f"check({self.name}, {'hidden=True, ' if self.hidden else ''}seed={self.seed})"


def _mark(passed: bool | None) -> str:
    return {True: "✓", False: "✗", None: "–"}[passed]


def _paragraphs(message: str) -> str:
    """Prose lines become paragraphs; the two lines of numbers keep their columns."""
    parts, table = [], []
    for line in [*message.splitlines(), ""]:
        if line.startswith(("yours  ", "expected  ")):
            table.append(html.escape(line))
            continue
        if table:
            parts.append(
                '<pre style="margin:.2em 0;padding:0;border:none;background:none;color:inherit">'
                f"{chr(10).join(table)}</pre>"
            )
            table = []
        if line:
            parts.append(f'<div style="margin-top:.2em">{_emphasis(html.escape(line))}</div>')
    return "".join(parts)


def _emphasis(line: str) -> str:
    """`code` in backticks becomes code; nothing else is interpreted."""
    pieces = line.split("`")
    if len(pieces) % 2 == 0:
        return line
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))
