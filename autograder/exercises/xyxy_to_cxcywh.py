"""Exercise 13: boxes from corners to centre and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.boxes import xyxy_to_cxcywh as reference

from .exercise import Case, Exercise, Family, Misconception

# --- cases ------------------------------------------------------------------------------------------------


def _boxes(generator: torch.Generator, count: int, scale: float = 40.0) -> Tensor:
    """Boxes wider than high, some of them to the left of or above the image."""
    corner = (torch.rand(count, 2, generator=generator) - 0.25) * scale
    size = torch.rand(count, 2, generator=generator) * torch.tensor([2.0, 1.0]) * scale + 0.3 * scale
    return torch.cat([corner, corner + size], 1)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.tensor([[10.0, 20.0, 50.0, 26.0], [1.5, 0.0, 4.0, 9.0]]),), "two boxes")
    yield Case((_boxes(generator, 5),), "five random boxes")


def _integers(generator: torch.Generator) -> Iterator[Case]:
    boxes = torch.tensor([[10, 20, 51, 27], [3, 0, 4, 9], [0, 2, 6, 5]])
    yield Case((boxes,), "integer boxes of odd width, whose centre lies at a half")


def _empty(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.zeros(0, 4),), "no box at all")


def _large(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_boxes(generator, 4, 1e6),), "coordinates in the millions")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_boxes(generator, 5).T.contiguous().T,), "boxes whose memory is not contiguous")
    yield Case((_boxes(generator, 5).double(),), "float64 boxes")


def _locate(case: Case, index: tuple[int, ...]) -> str:
    return f"Box {index[0]} is ({', '.join(f'{side:g}' for side in case.arguments[0][index[0]].tolist())})"


# --- one formula, many ways to write its parts wrong ----------------------------------------------------------

Column = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def _columns(*parts: Column) -> Callable[[Tensor], Tensor]:
    """Each column of the result as a function of the four columns of the boxes."""

    def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
        corners = boxes if boxes.is_floating_point() else boxes.float()
        return torch.stack([part(*corners.unbind(1)) for part in parts], 1)

    return xyxy_to_cxcywh


def _cx(x1: Tensor, y1: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
    return (x1 + x2) / 2


def _cy(x1: Tensor, y1: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
    return (y1 + y2) / 2


def _w(x1: Tensor, y1: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
    return x2 - x1


def _h(x1: Tensor, y1: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
    return y2 - y1


def _in_place(boxes: Tensor) -> Tensor:
    boxes[:, 2:] -= boxes[:, :2]
    boxes[:, :2] += boxes[:, 2:] / 2
    return boxes


def _into_integers(boxes: Tensor) -> Tensor:
    result = torch.zeros_like(boxes)
    result[:, :2] = (boxes[:, :2] + boxes[:, 2:]) / 2
    result[:, 2:] = boxes[:, 2:] - boxes[:, :2]
    return result


def _from_a_list(boxes: Tensor) -> Tensor:
    return torch.tensor(
        [[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes.tolist()]
    )


# --- right ones, written differently ------------------------------------------------------------------------


def _by_halves(boxes: Tensor) -> Tensor:
    """Both coordinates at once."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return torch.cat([low + (high - low) / 2, 1.0 * (high - low)], 1)


def _loop(boxes: Tensor) -> Tensor:
    """One box after the other."""
    dtype = boxes.dtype if boxes.is_floating_point() else torch.float32
    result = torch.zeros(boxes.shape, dtype=dtype, device=boxes.device)
    for i in range(len(boxes)):
        x1, y1, x2, y2 = boxes[i].to(dtype)
        for j, value in enumerate(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)):
            result[i, j] = value
    return result


EXERCISE = Exercise(
    name="xyxy_to_cxcywh",
    number=13,
    lab="03_localisation_and_proposals",
    task="Turn boxes given by two corners into boxes given by centre, width and height.",
    difficulty=1,
    importance=3,
    minutes=8,
    oracle=reference,
    axes=("box", "column"),
    locate=_locate,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary boxes", _ordinary, weight=2),
        Family("integer boxes", _integers),
        Family("no box", _empty, hidden=True),
        Family("large coordinates", _large, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "corner instead of centre",
            _columns(lambda x1, y1, x2, y2: x1, lambda x1, y1, x2, y2: y1, _w, _h),
            "(x1, y1, w, h) is COCO's format; here the first two are the centre, (x1 + x2) / 2 and (y1 + y2) / 2.",
        ),
        Misconception(
            "half the width",
            _columns(_cx, _cy, lambda *box: _w(*box) / 2, lambda *box: _h(*box) / 2),
            "Width is x2 - x1, all of it. If you overwrite x1 with the centre first, x2 - x1 is only half of it.",
        ),
        Misconception(
            "one pixel too many",
            _columns(_cx, _cy, lambda x1, y1, x2, y2: x2 - x1 + 1, lambda x1, y1, x2, y2: y2 - y1 + 1),
            "Coordinates are continuous here: the width is x2 - x1, without + 1.",
        ),
        Misconception(
            "centre without its corner",
            _columns(lambda *box: _w(*box) / 2, lambda *box: _h(*box) / 2, _w, _h),
            "Half the width is the way from x1 to the centre: add x1.",
        ),
        Misconception(
            "centre cut to an integer",
            _columns(lambda *box: _cx(*box).floor(), lambda *box: _cy(*box).floor(), _w, _h),
            "A centre may lie at a half: divide with /, not with //.",
        ),
        Misconception(
            "written into integers",
            _into_integers,
            "zeros_like(boxes) holds integers when the boxes do, and cuts halves off: convert with .float().",
        ),
        Misconception(
            "x and y swapped",
            _columns(_cy, _cx, _h, _w),
            "The order is x before y: (cx, cy, w, h).",
        ),
        Misconception(
            "columns in another order",
            _columns(_cx, _w, _cy, _h),
            "The order is (cx, cy, w, h): both centre coordinates first, then both sides.",
        ),
        Misconception(
            "boxes changed in place",
            _in_place,
            "boxes[:, 2:] -= ... changes the caller's boxes: compute new tensors and join them.",
        ),
        Misconception(
            "built from a list",
            _from_a_list,
            "torch.tensor(list) loses device, dtype and, for no box, the shape [0, 4]: use torch.stack on the columns.",
        ),
    ),
    right_variants=(_columns(_cx, _cy, _w, _h), _by_halves, _loop),
    hints=(
        "x1, y1, x2, y2 = boxes.unbind(1) gives the four columns.",
        "The centre is half-way between the corners, (x1 + x2) / 2; the width is x2 - x1.",
        "torch.stack([cx, cy, w, h], 1) joins four [N] columns to [N, 4], also for N = 0.",
    ),
)
