"""Exercise 29: average precision in its three definitions (VOC 2007, VOC 2010, COCO)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from detseg.metrics import average_precision as reference

from .exercise import Case, Exercise, Family, Misconception

METHODS = ("voc07", "voc10", "coco")
POINTS = {"voc07": 11, "coco": 101}

# --- cases ------------------------------------------------------------------------------------------------


def _curve(hits: Sequence[int], objects: int) -> tuple[Tensor, Tensor]:
    """Recall and precision after each detection; ``objects`` is 7 or 13, so no recall inside is a multiple of 1/100."""
    found = torch.tensor(hits, dtype=torch.float64).cumsum(0)
    return found / objects, found / torch.arange(1, len(hits) + 1)


def _random_hits(generator: torch.Generator, count: int, objects: int) -> list[int]:
    """A random order with fewer hits than objects, a miss in front and a hit at the end."""
    hits = [1] * (objects - 3) + [0] * (count - objects + 1)
    return [0, *(hits[i] for i in torch.randperm(len(hits), generator=generator).tolist()), 1]


def _of_method(method: str) -> Callable[[torch.Generator], Iterator[Case]]:
    def make(generator: torch.Generator) -> Iterator[Case]:
        yield Case((*_curve([1, 1, 0, 1, 0, 0, 1, 0, 1], 7), method), f'5 of 7 objects found, "{method}"')
        yield Case(
            (*_curve(_random_hits(generator, 20, 13), 13), method), f'11 of 13 objects found, "{method}"'
        )

    return make


def _first_is_wrong(generator: torch.Generator) -> Iterator[Case]:
    for method in METHODS:
        yield Case((*_curve([0, 1, 0, 1, 1], 7), method), f'a miss in front, "{method}"')


def _complete(generator: torch.Generator) -> Iterator[Case]:
    for method in METHODS:
        yield Case(
            (*_curve([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0], 7), method), f'all objects found, "{method}"'
        )
        yield Case((*_curve([1] * 7, 7), method), f'a perfect detector, "{method}"')


def _nothing(generator: torch.Generator) -> Iterator[Case]:
    for method in METHODS:
        yield Case((torch.zeros(0), torch.zeros(0), method), f'no detection (the result is 0), "{method}"')
        yield Case((*_curve([0, 0, 0], 7), method), f'nothing but misses, "{method}"')


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    for method in METHODS:
        recall, precision = _curve(_random_hits(generator, 24, 13), 13)
        pair = torch.stack([recall, precision], 1)
        yield Case((pair[:, 0], pair[:, 1], method), f'memory that is not contiguous, "{method}"')
        yield Case((recall.float(), precision.float(), method), f'float32 curves, "{method}"')


def _random(generator: torch.Generator) -> Iterator[Case]:
    for method in METHODS:
        hits = _random_hits(generator, 60, 13)
        yield Case((*_curve(hits, 13), method), f'60 detections of 13 objects, "{method}"')


# --- one summary, many ways to write its parts wrong ----------------------------------------------------------

Curve = Callable[[Tensor], Tensor]


def _from_here_on(precision: Tensor) -> Tensor:
    """The best precision at this detection or any later one."""
    return precision.flip(0).cummax(0).values.flip(0)


def _area(recall: Tensor, envelope: Tensor) -> Tensor:
    return (recall.diff(prepend=recall.new_zeros(1)) * envelope).sum()


def _at(recall: Tensor, envelope: Tensor, points: Tensor) -> Tensor:
    """The envelope at each point, 0 where no detection reaches it."""
    reached = recall >= points[:, None]  # [points, N]
    return torch.where(reached, envelope, 0).amax(1)


def _summary(
    envelope: Curve = _from_here_on,
    area: Callable[[Tensor, Tensor], Tensor] = _area,
    at: Callable[[Tensor, Tensor, Tensor], Tensor] = _at,
    points: Callable[[int, Tensor], Tensor] = lambda n, recall: torch.linspace(0, 1, n).to(recall),
    mean: Callable[[Tensor], Tensor] = torch.mean,
    method_used: Callable[[str], str] = lambda method: method,
    empty: float = 0.0,
) -> Callable[[Tensor, Tensor, str], float]:
    """Envelope, area, points and mean: each can be another one."""

    def average_precision(recall: Tensor, precision: Tensor, method: str) -> float:
        if len(recall) == 0:
            return empty
        best, used = envelope(precision), method_used(method)
        if used == "voc10":
            return float(area(recall, best))
        return float(mean(at(recall, best, points(POINTS[used], recall))))

    return average_precision


def _exactly_at(recall: Tensor, envelope: Tensor, points: Tensor) -> Tensor:
    """The precision of the first detection that reaches each point."""
    first = torch.searchsorted(recall.contiguous(), points)
    return torch.cat([envelope, envelope.new_zeros(1)])[first]


def _strictly_beyond(recall: Tensor, envelope: Tensor, points: Tensor) -> Tensor:
    return torch.where(recall > points[:, None], envelope, 0).amax(1)


def _from_one(recall: Tensor, envelope: Tensor, points: Tensor) -> Tensor:
    values = _at(recall, envelope, points)
    return torch.cat([values.new_ones(1), values[1:]])


# --- right ones, written differently ------------------------------------------------------------------------


def _loop(recall: Tensor, precision: Tensor, method: str) -> float:
    """In Python's numbers, as the rules are told."""
    r, p = recall.tolist(), precision.tolist()

    def best_from(level: float) -> float:
        return max((p[i] for i in range(len(r)) if r[i] >= level), default=0.0)

    if method == "voc10":
        total, before = 0.0, 0.0
        for level in r:
            total, before = total + (level - before) * best_from(level), level
        return total
    steps = 10 if method == "voc07" else 100
    return sum(best_from(i / steps) for i in range(steps + 1)) / (steps + 1)


def _as_the_devkit(recall: Tensor, precision: Tensor, method: str) -> float:
    """With sentinels at both ends and the envelope by a backward loop, as in the VOC development kit."""
    r = [0.0, *recall.tolist(), 1.0]
    p = [0.0, *precision.tolist(), 0.0]
    for i in range(len(p) - 2, -1, -1):
        p[i] = max(p[i], p[i + 1])
    if method == "voc10":
        return sum((r[i] - r[i - 1]) * p[i] for i in range(1, len(r)))
    last = POINTS[method] - 1
    return sum(p[next(i for i, level in enumerate(r) if level >= k / last)] for k in range(last + 1)) / (
        last + 1
    )


EXERCISE = Exercise(
    name="average_precision",
    number=29,
    lab="04_rcnn",
    task="Summarise a precision-recall curve in one number, by each of three rules.",
    difficulty=3,
    importance=4,
    minutes=25,
    oracle=reference,
    delegates=("torchvision.*", "pycocotools.*", "sklearn.*"),
    families=(
        Family("VOC 2007", _of_method("voc07"), weight=2),
        Family("VOC 2010", _of_method("voc10"), weight=2),
        Family("COCO", _of_method("coco"), weight=2),
        Family("a miss in front", _first_is_wrong),
        Family("all objects found", _complete),
        Family("nothing found", _nothing, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random curves", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "precision not made monotone",
            _summary(envelope=lambda precision: precision, at=_exactly_at),
            "First replace each precision by the best one at that recall or beyond: a running maximum from the end.",
        ),
        Misconception(
            "maximum from the wrong end",
            _summary(envelope=lambda precision: precision.cummax(0).values),
            "The maximum runs from the end to the front: what counts is the best precision at this recall or beyond.",
        ),
        Misconception(
            "trapezoids under the raw curve",
            _summary(
                envelope=lambda precision: precision, at=_exactly_at, area=lambda r, p: torch.trapezoid(p, r)
            ),
            "Make the precision monotone first; then add rectangles, (recall[i] - recall[i - 1]) * precision[i].",
        ),
        Misconception(
            "first step forgotten",
            _summary(area=lambda recall, best: (recall.diff() * best[1:]).sum()),
            "The first rectangle begins at recall 0: put a 0 before the recalls (trapz and diff alone leave it out).",
        ),
        Misconception(
            "mean over the detections",
            _summary(area=lambda recall, best: best.mean()),
            "Weight each precision by its step of recall; a miss makes no step and adds nothing.",
        ),
        Misconception(
            "divided by the recall reached",
            _summary(area=lambda recall, best: _area(recall, best) / recall[-1].clamp(min=1e-9)),
            "Recall that was never reached counts as precision 0: do not divide by the largest recall.",
        ),
        Misconception(
            "ten points without 0",
            _summary(points=lambda n, recall: torch.linspace(0, 1, n)[1:].to(recall)),
            "VOC 2007 averages at 11 recalls, 0, 0.1 ... 1, and COCO at 101: the 0 belongs to them.",
        ),
        Misconception(
            "point 1 left out",
            _summary(points=lambda n, recall: torch.linspace(0, 1, n)[:-1].to(recall)),
            "The recall 1 is the last of the 11 (or 101) points; arange(0, 1, 0.1) stops before it.",
        ),
        Misconception(
            "points never reached left out",
            _summary(mean=lambda values: values[values > 0].sum() / (values > 0).sum().clamp(min=1)),
            "A recall that was never reached has precision 0 and counts: divide by 11 (or 101) always.",
        ),
        Misconception(
            "recall strictly beyond the point",
            _summary(at=_strictly_beyond),
            "A point is reached from its own recall on: compare with recall >= point.",
        ),
        Misconception(
            "precision 1 at recall 0",
            _summary(at=_from_one),
            "No detection was that good: at recall 0 the precision is the best of the whole curve.",
        ),
        Misconception(
            "VOC 2010 for every method",
            _summary(method_used=lambda method: "voc10"),
            'Look at method: "voc07" averages 11 points, "coco" 101, and only "voc10" takes the area.',
        ),
        Misconception(
            "COCO with 11 points",
            _summary(method_used=lambda method: method.replace("coco", "voc07")),
            "COCO averages at 101 recalls: 0, 0.01 ... 1.",
        ),
        Misconception(
            "NaN without detections",
            _summary(empty=float("nan")),
            "An empty curve has found nothing: the average precision is 0.",
        ),
        Misconception(
            "points on the CPU",
            _summary(points=lambda n, recall: torch.linspace(0, 1, n, dtype=recall.dtype)),
            "torch.linspace(...) lives on the CPU: give it device=recall.device.",
        ),
    ),
    right_variants=(_summary(), _loop, _as_the_devkit),
    hints=(
        "precision.flip(0).cummax(0).values.flip(0) is the best precision at each detection or later.",
        '"voc10": recall.diff(prepend=recall.new_zeros(1)) are the steps of recall; sum step times precision.',
        '"voc07" and "coco": for each of the 11 (101) recalls take the precision of the first detection that reaches '
        "it, or 0 if none does, and average.",
    ),
)
