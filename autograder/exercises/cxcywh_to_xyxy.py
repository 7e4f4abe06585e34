"""Exercise 14: boxes from centre and size to corners."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.boxes import cxcywh_to_xyxy as reference

from .exercise import Case, Exercise, Family, Misconception

# --- cases ------------------------------------------------------------------------------------------------


def _boxes(generator: torch.Generator, count: int, scale: float = 40.0) -> Tensor:
    """Boxes wider than high, some of which reach beyond the image."""
    centre = torch.rand(count, 2, generator=generator) * scale
    size = torch.rand(count, 2, generator=generator) * torch.tensor([2.0, 1.0]) * scale + 0.3 * scale
    return torch.cat([centre, size], 1)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.tensor([[30.0, 23.0, 40.0, 6.0], [2.75, 4.5, 2.5, 9.0]]),), "two boxes")
    yield Case((_boxes(generator, 5),), "five random boxes")


def _beyond_the_image(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (torch.tensor([[3.0, 2.0, 16.0, 9.0], [0.0, 5.0, 8.0, 2.0]]),), "boxes whose corner is negative"
    )


def _integers(generator: torch.Generator) -> Iterator[Case]:
    boxes = torch.tensor([[30, 23, 41, 7], [3, 4, 1, 9], [8, 2, 6, 5]])
    yield Case((boxes,), "integer boxes of odd width, whose corners lie at a half")


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

    def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
        columns = boxes_cxcywh if boxes_cxcywh.is_floating_point() else boxes_cxcywh.float()
        return torch.stack([part(*columns.unbind(1)) for part in parts], 1)

    return cxcywh_to_xyxy


def _x1(x: Tensor, y: Tensor, w: Tensor, h: Tensor) -> Tensor:
    return x - w / 2


def _y1(x: Tensor, y: Tensor, w: Tensor, h: Tensor) -> Tensor:
    return y - h / 2


def _x2(x: Tensor, y: Tensor, w: Tensor, h: Tensor) -> Tensor:
    return x + w / 2


def _y2(x: Tensor, y: Tensor, w: Tensor, h: Tensor) -> Tensor:
    return y + h / 2


def _in_place(boxes_cxcywh: Tensor) -> Tensor:
    boxes_cxcywh[:, :2] -= boxes_cxcywh[:, 2:] / 2
    boxes_cxcywh[:, 2:] += boxes_cxcywh[:, :2]
    return boxes_cxcywh


def _into_integers(boxes_cxcywh: Tensor) -> Tensor:
    result = torch.zeros_like(boxes_cxcywh)
    result[:, :2] = boxes_cxcywh[:, :2] - boxes_cxcywh[:, 2:] / 2
    result[:, 2:] = boxes_cxcywh[:, :2] + boxes_cxcywh[:, 2:] / 2
    return result


def _from_a_list(boxes_cxcywh: Tensor) -> Tensor:
    rows = boxes_cxcywh.tolist()
    return torch.tensor([[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for x, y, w, h in rows])


# --- right ones, written differently ------------------------------------------------------------------------


def _by_halves(boxes_cxcywh: Tensor) -> Tensor:
    """Both coordinates at once."""
    centre, half = boxes_cxcywh[:, :2], boxes_cxcywh[:, 2:] / 2
    return torch.cat([centre - half, centre + half], 1)


def _by_matrix(boxes_cxcywh: Tensor) -> Tensor:
    """The change of format is linear: one matrix does it."""
    dtype = boxes_cxcywh.dtype if boxes_cxcywh.is_floating_point() else torch.float32
    rows = [[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]]
    return boxes_cxcywh.to(dtype) @ torch.tensor(rows, dtype=dtype, device=boxes_cxcywh.device).T


EXERCISE = Exercise(
    name="cxcywh_to_xyxy",
    number=14,
    lab="03_localisation_and_proposals",
    task="Turn boxes given by centre, width and height into boxes given by two corners.",
    difficulty=1,
    importance=3,
    minutes=8,
    oracle=reference,
    tolerance=(1e-5, 1e-4),
    axes=("box", "column"),
    locate=_locate,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary boxes", _ordinary, weight=2),
        Family("beyond the image", _beyond_the_image),
        Family("integer boxes", _integers),
        Family("no box", _empty, hidden=True),
        Family("large coordinates", _large, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "whole width on each side",
            _columns(
                lambda x, y, w, h: x - w,
                lambda x, y, w, h: y - h,
                lambda x, y, w, h: x + w,
                lambda x, y, w, h: y + h,
            ),
            "From the centre it is half the width to each side: x - w / 2 and x + w / 2.",
        ),
        Misconception(
            "centre taken for the corner",
            _columns(
                lambda x, y, w, h: x, lambda x, y, w, h: y, lambda x, y, w, h: x + w, lambda x, y, w, h: y + h
            ),
            "The first two numbers are the centre, not the upper left corner: x1 = cx - w / 2.",
        ),
        Misconception(
            "far corner from the wrong start",
            _columns(_x1, _y1, lambda x, y, w, h: x, lambda x, y, w, h: y),
            "x2 = cx + w / 2 starts from the centre; if cx was already overwritten by x1, add the whole width.",
        ),
        Misconception(
            "one pixel too few",
            _columns(_x1, _y1, lambda *box: _x2(*box) - 1, lambda *box: _y2(*box) - 1),
            "Coordinates are continuous here: x2 - x1 is the width, without - 1.",
        ),
        Misconception(
            "width and height swapped",
            _columns(
                lambda x, y, w, h: x - h / 2,
                lambda x, y, w, h: y - w / 2,
                lambda x, y, w, h: x + h / 2,
                lambda x, y, w, h: y + w / 2,
            ),
            "The third column is the width and goes with x, the fourth is the height and goes with y.",
        ),
        Misconception(
            "both x first",
            _columns(_x1, _x2, _y1, _y2),
            "The order is (x1, y1, x2, y2): one corner, then the other.",
        ),
        Misconception(
            "corners cut to integers",
            _columns(
                lambda *b: _x1(*b).floor(),
                lambda *b: _y1(*b).floor(),
                lambda *b: _x2(*b).floor(),
                lambda *b: _y2(*b).floor(),
            ),
            "A corner may lie at a half: divide with /, not with //.",
        ),
        Misconception(
            "clipped at zero",
            _columns(lambda *box: _x1(*box).clamp(min=0), lambda *box: _y1(*box).clamp(min=0), _x2, _y2),
            "A change of format does not clip: a box may reach beyond the image.",
        ),
        Misconception(
            "written into integers",
            _into_integers,
            "zeros_like(boxes) holds integers when the boxes do, and cuts the halves off: convert with .float().",
        ),
        Misconception(
            "boxes changed in place",
            _in_place,
            "boxes[:, :2] -= ... changes the caller's boxes: compute new tensors and join them.",
        ),
        Misconception(
            "built from a list",
            _from_a_list,
            "torch.tensor(list) loses device, dtype and, for no box, the shape [0, 4]: use torch.stack on the columns.",
        ),
    ),
    right_variants=(_columns(_x1, _y1, _x2, _y2), _by_halves, _by_matrix),
    hints=(
        "cx, cy, w, h = boxes_cxcywh.unbind(1) gives the four columns.",
        "From the centre it is half the width to the left and half the width to the right.",
        "torch.stack([x1, y1, x2, y2], 1) joins four [N] columns to [N, 4], also for N = 0.",
    ),
)
