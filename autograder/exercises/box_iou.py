"""Exercise 15: intersection over union of every pair of boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.boxes import box_iou as reference

from .exercise import Case, Exercise, Family, Misconception

# --- cases ------------------------------------------------------------------------------------------------


def _boxes(generator: torch.Generator, count: int) -> Tensor:
    """Boxes of different shapes in a 90 x 60 window, large enough to overlap often."""
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([60.0, 35.0])
    size = torch.rand(count, 2, generator=generator) * torch.tensor([45.0, 30.0]) + 4
    return torch.cat([corner, corner + size], 1)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    boxes1 = torch.tensor([[0.0, 0.0, 10.0, 6.0], [20.0, 5.0, 40.0, 9.0]])
    boxes2 = torch.tensor([[5.0, 2.0, 15.0, 8.0], [0.0, 0.0, 10.0, 6.0], [22.0, 4.0, 30.0, 20.0]])
    yield Case((boxes1, boxes2), "2 boxes against 3")
    yield Case((_boxes(generator, 5), _boxes(generator, 3)), "5 random boxes against 3")


def _apart(generator: torch.Generator) -> Iterator[Case]:
    boxes1 = torch.tensor([[0.0, 0.0, 10.0, 6.0], [30.0, 20.0, 44.0, 29.0]])
    boxes2 = torch.tensor([[20.0, 15.0, 31.0, 19.0], [10.0, 0.0, 15.0, 6.0], [-9.0, -8.0, -2.0, -3.0]])
    yield Case((boxes1, boxes2), "boxes that do not meet, or only touch")


def _inside(generator: torch.Generator) -> Iterator[Case]:
    boxes1 = torch.tensor([[0.0, 0.0, 40.0, 30.0], [10.0, 10.0, 14.0, 18.0]])
    boxes2 = torch.tensor([[10.0, 10.0, 14.0, 18.0], [-5.0, -5.0, 60.0, 50.0], [0.0, 10.0, 40.0, 20.0]])
    yield Case((boxes1, boxes2), "boxes inside each other, and a cross")


def _no_area(generator: torch.Generator) -> Iterator[Case]:
    flat = torch.tensor([[5.0, 5.0, 5.0, 5.0], [2.0, 3.0, 9.0, 3.0], [8.0, 1.0, 4.0, 6.0]])
    others = torch.tensor([[0.0, 0.0, 10.0, 8.0], [5.0, 5.0, 5.0, 5.0]])
    yield Case((flat, others), "boxes without area (0 / 0 must give 0), and one with x2 < x1")


def _empty(generator: torch.Generator) -> Iterator[Case]:
    boxes = _boxes(generator, 3)
    yield Case((torch.zeros(0, 4), boxes), "no box in boxes1")
    yield Case((boxes, torch.zeros(0, 4)), "no box in boxes2")


def _integers(generator: torch.Generator) -> Iterator[Case]:
    first, second = _boxes(generator, 3).round().long(), _boxes(generator, 4).round().long()
    yield Case((first, second), "integer boxes")


def _half(generator: torch.Generator) -> Iterator[Case]:
    first, second = ((_boxes(generator, count) * 12).round().half() for count in (3, 4))
    yield Case(
        (first, second), "boxes in half precision, where areas become infinite (compute and return float32)"
    )


def _huge(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_boxes(generator, 3) * 1e8, _boxes(generator, 2) * 1e8), "coordinates in the billions")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (_boxes(generator, 4).T.contiguous().T, _boxes(generator, 5)[::2]), "memory that is not contiguous"
    )
    yield Case((_boxes(generator, 4).double(), _boxes(generator, 3).double()), "float64 boxes")


def _random(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_boxes(generator, 17), _boxes(generator, 23)), "17 boxes against 23")


def _locate(case: Case, index: tuple[int, ...]) -> str:
    pair = (boxes[i].tolist() for boxes, i in zip(case.arguments, index, strict=True))
    first, second = (f"({', '.join(f'{side:g}' for side in box)})" for box in pair)
    return f"There boxes1[{index[0]}] = {first} meets boxes2[{index[1]}] = {second}"


# --- one formula, many ways to write its parts wrong ----------------------------------------------------------


def _iou(
    sides: Callable[[Tensor, Tensor], Tensor] = lambda low, high: (high - low).clamp(min=0),
    area: Callable[[Tensor], Tensor] = lambda boxes: (
        (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    ),
    union: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda area1, area2, both: area1 + area2 - both,
    exact: Callable[[Tensor], Tensor] = lambda boxes: (
        boxes.double() if boxes.dtype == torch.float64 else boxes.float()
    ),
    finish: Callable[[Tensor], Tensor] = lambda iou: iou.masked_fill(iou.isnan(), 0),
    nearer: Callable[[Tensor, Tensor], Tensor] = torch.minimum,
    further: Callable[[Tensor, Tensor], Tensor] = torch.maximum,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Corners, sides and area of the intersection, the union, the quotient: each can be another one."""

    def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
        boxes1, boxes2 = exact(boxes1), exact(boxes2)
        low = further(boxes1[:, None, :2], boxes2[:, :2])  # [N, M, 2]
        high = nearer(boxes1[:, None, 2:], boxes2[:, 2:])  # [N, M, 2]
        both = sides(low, high).prod(2)  # [N, M]
        return finish(both / union(area(boxes1)[:, None], area(boxes2), both))

    return box_iou


def _with_size(boxes: Tensor) -> Tensor:
    """Read (x1, y1, x2, y2) as (x, y, w, h)."""
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1).float()


def _pairs_only(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return _iou()(boxes1, boxes2).diagonal()


def _zeros_on_the_cpu(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return torch.zeros(len(boxes1), len(boxes2)) + _iou()(boxes1, boxes2)


# --- right ones, written differently ------------------------------------------------------------------------


def _loop(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """One pair after the other, in Python's numbers."""
    rows = []
    for a in boxes1.tolist():
        row = []
        for b in boxes2.tolist():
            width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            both = max(width, 0) * max(height, 0)
            areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
            row.append(both / (areas - both) if both > 0 else 0.0)
        rows.append(row)
    dtype = torch.promote_types(boxes1.dtype, torch.float32)
    return torch.tensor(rows, dtype=dtype, device=boxes1.device).reshape(len(boxes1), len(boxes2))


def _by_columns(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Column by column, with the division left out where nothing is shared."""
    dtype = torch.promote_types(boxes1.dtype, torch.float32)
    ax1, ay1, ax2, ay2 = boxes1.to(dtype)[:, None].unbind(2)  # 4 x [N, 1]
    bx1, by1, bx2, by2 = boxes2.to(dtype).unbind(1)  # 4 x [M]
    width, height = torch.min(ax2, bx2) - torch.max(ax1, bx1), torch.min(ay2, by2) - torch.max(ay1, by1)
    both = width.clamp(min=0) * height.clamp(min=0)  # [N, M]
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - both
    return torch.where(both > 0, both / union, 0.0)


EXERCISE = Exercise(
    name="box_iou",
    number=15,
    lab="03_localisation_and_proposals",
    task="Compute the intersection over union of every box in one list with every box in another.",
    difficulty=2,
    importance=5,
    minutes=20,
    oracle=reference,
    tolerance=(1e-4, 1e-6),
    axes=("boxes1", "boxes2"),
    locate=_locate,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary boxes", _ordinary, weight=2),
        Family("boxes apart", _apart, weight=2),
        Family("boxes inside each other", _inside),
        Family("no area", _no_area),
        Family("no box", _empty, hidden=True),
        Family("integer boxes", _integers, hidden=True),
        Family("half precision", _half, hidden=True),
        Family("huge boxes", _huge, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random boxes", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "sides not clamped",
            _iou(sides=lambda low, high: high - low),
            "Of boxes apart, both sides are negative and their product is positive: clamp each side at 0 first.",
        ),
        Misconception(
            "sides made positive",
            _iou(sides=lambda low, high: (high - low).abs()),
            "A negative side means that the boxes do not meet: clamp(min=0), not abs().",
        ),
        Misconception(
            "intersection counted twice",
            _iou(union=lambda area1, area2, both: area1 + area2),
            "The two areas hold the intersection twice: the union is area1 + area2 - intersection.",
        ),
        Misconception(
            "divided by the smaller box",
            _iou(union=lambda area1, area2, both: torch.minimum(area1, area2)),
            "Divide by the union of both boxes; the smaller area alone gives 1 for any box inside another.",
        ),
        Misconception(
            "divided by the first box",
            _iou(union=lambda area1, area2, both: area1 + 0 * area2),
            "Divide by the union of both boxes, area1 + area2 - intersection, not by one of the areas.",
        ),
        Misconception(
            "enclosing box",
            _iou(nearer=torch.maximum, further=torch.minimum),
            "The intersection begins at the larger x1 and ends at the smaller x2; the other way round encloses both.",
        ),
        Misconception(
            "one pixel too many",
            _iou(
                sides=lambda low, high: (high - low + 1).clamp(min=0),
                area=lambda boxes: (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1),
            ),
            "Coordinates are continuous here: the width is x2 - x1, without + 1, and boxes that touch share nothing.",
        ),
        Misconception(
            "sizes instead of corners",
            _iou(exact=_with_size),
            "Boxes are (x1, y1, x2, y2): the last two are the far corner, not width and height.",
        ),
        Misconception(
            "rows and columns swapped",
            lambda boxes1, boxes2: _iou()(boxes2, boxes1),
            "Rows are boxes1 and columns boxes2, [N, M]: use boxes1[:, None] against boxes2[None].",
        ),
        Misconception(
            "first with first, second with second",
            _pairs_only,
            "Every box of boxes1 meets every box of boxes2: boxes1[:, None] makes room for the second dimension.",
        ),
        Misconception(
            "NaN for no area",
            _iou(finish=lambda iou: iou),
            "Two boxes without area give 0 / 0 = NaN: where the intersection is 0 the IoU is 0.",
        ),
        Misconception(
            "computed in half precision",
            _iou(exact=lambda boxes: boxes),
            "An area of 300 x 300 is infinite in half precision: convert half and integer boxes with .float() first.",
        ),
        Misconception(
            "zeros on the CPU",
            _zeros_on_the_cpu,
            "torch.zeros(...) lives on the CPU: use boxes1.new_zeros(...) or device=boxes1.device.",
        ),
    ),
    right_variants=(_iou(), _loop, _by_columns),
    hints=(
        "For one pair: the intersection begins at the larger of the two x1 and ends at the smaller of the two x2; "
        "its width is their difference, or 0 if that is negative. Likewise for y.",
        "For all pairs at once give boxes1 a second dimension: torch.maximum(boxes1[:, None, :2], boxes2[:, :2]) "
        "is [N, M, 2].",
        "union = area1[:, None] + area2 - intersection. Two boxes without area make it 0 / 0: put 0 there.",
    ),
)
