"""What an exercise is: plain data, from which the check, the diagnosis, the points and the docs all follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Seeded:
    """Stands for a ``torch.Generator`` among a case's arguments: every call gets a fresh one with this seed.

    ``decides``: there is so much to draw from that another seed must draw something else, which is tried as well.
    """

    seed: int
    decides: bool = False


@dataclass(frozen=True)
class Case:
    """One call of the learner's function.

    ``arguments`` are passed by position (a `Seeded` becomes a generator, tensors are cloned for each call).
    ``note`` finishes the sentence "with ..." in a message. ``gradient_of`` lists the positions of the
    arguments whose gradient is compared with the oracle's as well.
    """

    arguments: tuple[Any, ...]
    note: str
    gradient_of: tuple[int, ...] = ()


@dataclass(frozen=True)
class Family:
    """Cases that probe one thing. A hidden family runs only when ``check(..., hidden=True)``.

    ``make(generator)`` draws the cases; the generator's seed depends on the check's seed and on the name alone,
    so adding a family never changes another one. ``weight`` is the family's share of the points.
    """

    name: str
    make: Callable[[torch.Generator], Iterable[Case]]
    hidden: bool = False
    weight: int = 1


@dataclass(frozen=True)
class Mismatch:
    """Where a result is not what it must be. ``message`` is shown to the learner."""

    message: str


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation people really write, and one sentence that puts them right."""

    name: str
    function: Callable[..., Any]
    advice: str


Judge = Callable[[Case, Any, Any], Mismatch | None]  # case, the result, the expected one


@dataclass(frozen=True)
class Exercise:
    """Everything the course knows about one exercise.

    The first family holds ordinary inputs: until it passes, no other family earns points.
    ``oracle`` computes the expected value of a case; where many answers are right, ``judge`` looks at the answer
    instead, and ``oracle`` is then an example of a right one. ``tolerance`` is (relative, absolute).
    ``axes`` names the dimensions of the (first) output, and ``locate(case, index)`` adds in words what stands at an
    index, such as the coordinates of the box. ``delegates`` are name patterns of the functions that *are* the exercise:
    calling one earns nothing. ``on_device`` adds a family on the (pretend) GPU.
    """

    name: str
    number: int
    lab: str
    task: str
    difficulty: int
    importance: int
    minutes: int
    oracle: Callable[..., Any]
    families: tuple[Family, ...]
    misconceptions: tuple[Misconception, ...]
    right_variants: tuple[Callable[..., Any], ...]
    hints: tuple[str, ...]
    judge: Judge | None = None
    tolerance: tuple[float, float] = (1e-4, 1e-5)
    gradient_tolerance: tuple[float, float] = (1e-4, 1e-5)
    axes: tuple[str, ...] = ()
    locate: Callable[[Case, tuple[int, ...]], str] = field(default=lambda case, index: "")
    delegates: tuple[str, ...] = ()
    on_device: bool = True

    @property
    def points(self) -> int:
        """Two points for each step of difficulty."""
        return 2 * self.difficulty
