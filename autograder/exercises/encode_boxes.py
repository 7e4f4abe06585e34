"""Exercise 23: box regression targets (R-CNN, Girshick 2014, appendix C)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.boxes import encode_boxes as reference
from detseg.boxes import xyxy_to_cxcywh

from .exercise import Case, Exercise, Family, Misconception

Weights = tuple[float, float, float, float]
ONES = (1.0, 1.0, 1.0, 1.0)
HEAD = (10.0, 10.0, 5.0, 5.0)

# --- cases ------------------------------------------------------------------------------------------------


def _boxes(generator: torch.Generator, count: int) -> Tensor:
    """Boxes of very different shapes, some of which begin left of or above the image."""
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([90.0, 60.0]) - 10
    size = torch.rand(count, 2, generator=generator) * torch.tensor([60.0, 30.0]) + 6
    return torch.cat([corner, corner + size], 1)


def _pair(generator: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
    return _boxes(generator, count), _boxes(generator, count)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    gt = torch.tensor([[10.0, 20.0, 50.0, 30.0], [5.0, 0.0, 15.0, 40.0]])
    proposals = torch.tensor([[20.0, 18.0, 40.0, 34.0], [0.0, 8.0, 20.0, 28.0]])
    yield Case((gt, proposals, ONES), "two boxes and weights of 1")
    yield Case((*_pair(generator, 5), ONES), "five random boxes and weights of 1")


def _weights(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_pair(generator, 4), HEAD), "the head's weights (10, 10, 5, 5)")
    yield Case((*_pair(generator, 3), (2.0, 4.0, 0.5, 8.0)), "four different weights")


def _same(generator: torch.Generator) -> Iterator[Case]:
    boxes = _boxes(generator, 3)
    yield Case((boxes, boxes.clone(), HEAD), "proposals that lie exactly on their box, whose deltas are 0")


def _far(generator: torch.Generator) -> Iterator[Case]:
    tiny = _boxes(generator, 3)
    tiny[:, 2:] = tiny[:, :2] + torch.tensor([0.5, 1.5])
    huge = _boxes(generator, 3) * 1e4
    yield Case((tiny, _boxes(generator, 3), ONES), "tiny boxes and large proposals")
    yield Case((huge, _boxes(generator, 3) * 1e4, HEAD), "coordinates up to a million")


def _empty(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.zeros(0, 4), torch.zeros(0, 4), ONES), "no box at all")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    gt, proposals = _pair(generator, 6)
    yield Case((gt.T.contiguous().T, proposals[::1].flip(0), HEAD), "boxes whose memory is not contiguous")


def _random(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_pair(generator, 40), HEAD), "forty random boxes")


def _locate(case: Case, index: tuple[int, ...]) -> str:
    pair = (case.arguments[i][index[0]].tolist() for i in (0, 1))
    gt, proposal = (f"({', '.join(f'{side:g}' for side in box)})" for box in pair)
    return f"There gt[{index[0]}] = {gt}, proposals[{index[0]}] = {proposal}, weights = {case.arguments[2]}"


# --- one formula, many ways to write its parts wrong ----------------------------------------------------------


def _shift(gt: Tensor, anchor: Tensor) -> Tensor:
    """(dx, dy) of boxes as centre and size."""
    return (gt[:, :2] - anchor[:, :2]) / anchor[:, 2:]


def _growth(gt: Tensor, anchor: Tensor) -> Tensor:
    """(dw, dh) of boxes as centre and size."""
    return (gt[:, 2:] / anchor[:, 2:]).log()


def _corner_and_size(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def _inclusive(boxes: Tensor) -> Tensor:
    centre, size = xyxy_to_cxcywh(boxes).split(2, 1)
    return torch.cat([centre, size + 1], 1)


def _encoder(
    shift: Callable[[Tensor, Tensor], Tensor] = _shift,
    growth: Callable[[Tensor, Tensor], Tensor] = _growth,
    parts: Callable[[Tensor], Tensor] = xyxy_to_cxcywh,
    weigh: Callable[[Tensor, Tensor], Tensor] = lambda deltas, weights: deltas * weights,
) -> Callable[[Tensor, Tensor, Weights], Tensor]:
    """Format, shift, growth and weights: each can be another one."""

    def encode_boxes(gt: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
        target, anchor = parts(gt.float()), parts(proposals.float())
        deltas = torch.cat([shift(target, anchor), growth(target, anchor)], 1)  # [N, 4]
        return weigh(deltas, deltas.new_tensor(weights))

    return encode_boxes


# --- right ones, written differently ------------------------------------------------------------------------


def _loop(gt: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    """One box after the other, in Python's numbers."""
    rows = []
    for (gx1, gy1, gx2, gy2), (px1, py1, px2, py2) in zip(gt.tolist(), proposals.tolist(), strict=True):
        width, height = px2 - px1, py2 - py1
        deltas = (
            (gx1 + gx2 - px1 - px2) / 2 / width,
            (gy1 + gy2 - py1 - py2) / 2 / height,
            math.log((gx2 - gx1) / width),
            math.log((gy2 - gy1) / height),
        )
        rows.append([delta * weight for delta, weight in zip(deltas, weights, strict=True)])
    return torch.tensor(rows, dtype=torch.float32, device=gt.device).reshape(-1, 4)


def _by_logarithms(gt: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    """Column by column; the quotient of the sides as a difference of logarithms."""
    gx1, gy1, gx2, gy2 = gt.unbind(1)
    px1, py1, px2, py2 = proposals.unbind(1)
    width, height = px2 - px1, py2 - py1
    dx, dy = ((gx1 - px1) + (gx2 - px2)) / (2 * width), ((gy1 - py1) + (gy2 - py2)) / (2 * height)
    dw, dh = (gx2 - gx1).log() - width.log(), (gy2 - gy1).log() - height.log()
    return torch.stack([delta * weight for delta, weight in zip((dx, dy, dw, dh), weights, strict=True)], 1)


EXERCISE = Exercise(
    name="encode_boxes",
    number=23,
    lab="04_rcnn",
    task="Compute what a network must predict at each proposal to land on its ground-truth box.",
    difficulty=3,
    importance=4,
    minutes=15,
    oracle=reference,
    tolerance=(1e-4, 1e-4),
    axes=("box", "delta"),
    locate=_locate,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary boxes", _ordinary, weight=2),
        Family("weights", _weights, weight=2),
        Family("proposal on its box", _same),
        Family("tiny and huge boxes", _far, hidden=True),
        Family("no box", _empty, hidden=True),
        Family("memory layout", _memory_layout, hidden=True),
        Family("random boxes", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "shift of the corner",
            _encoder(parts=_corner_and_size),
            "dx and dy are the shift of the centre, not of the corner (x1, y1): use (x1 + x2) / 2.",
        ),
        Misconception(
            "shift in pixels",
            _encoder(shift=lambda gt, anchor: gt[:, :2] - anchor[:, :2]),
            "Divide the shift by the proposal's side, so that it means the same for small and large objects.",
        ),
        Misconception(
            "shift in units of the ground-truth box",
            _encoder(shift=lambda gt, anchor: (gt[:, :2] - anchor[:, :2]) / gt[:, 2:]),
            "Divide the shift by the proposal's width and height: the network does not know the object's.",
        ),
        Misconception(
            "shift the wrong way round",
            _encoder(shift=lambda gt, anchor: -_shift(gt, anchor)),
            "The delta leads from the proposal to the ground truth: gt - proposal.",
        ),
        Misconception(
            "logarithm forgotten",
            _encoder(growth=lambda gt, anchor: gt[:, 2:] / anchor[:, 2:]),
            "dw and dh are logarithms of the sides' quotient, so that twice and half as large are equally far from 0.",
        ),
        Misconception(
            "relative difference of the sides",
            _encoder(growth=lambda gt, anchor: (gt[:, 2:] - anchor[:, 2:]) / anchor[:, 2:]),
            "dw is log(gt width / proposal width), not the relative difference; they agree only near 0.",
        ),
        Misconception(
            "quotient upside down",
            _encoder(growth=lambda gt, anchor: -_growth(gt, anchor)),
            "dw is log(gt width / proposal width): positive when the object is larger than the proposal.",
        ),
        Misconception(
            "arguments swapped",
            _encoder(
                shift=lambda gt, anchor: _shift(anchor, gt), growth=lambda gt, anchor: _growth(anchor, gt)
            ),
            "gt comes first, proposals second, and the deltas lead from the proposals to gt.",
        ),
        Misconception(
            "width and height swapped",
            _encoder(shift=lambda gt, anchor: (gt[:, :2] - anchor[:, :2]) / anchor[:, [3, 2]]),
            "dx is divided by the proposal's width, dy by its height.",
        ),
        Misconception(
            "one pixel too many",
            _encoder(parts=_inclusive),
            "Coordinates are continuous here: the width is x2 - x1, without + 1.",
        ),
        Misconception(
            "weights forgotten",
            _encoder(weigh=lambda deltas, weights: deltas),
            "Multiply the four deltas by the four weights.",
        ),
        Misconception(
            "divided by the weights",
            _encoder(weigh=lambda deltas, weights: deltas / weights),
            "Encoding multiplies by the weights; decoding divides by them.",
        ),
        Misconception(
            "weights on the CPU",
            _encoder(weigh=lambda deltas, weights: deltas * torch.tensor(weights.tolist())),
            "torch.tensor(weights) lives on the CPU: use deltas.new_tensor(weights).",
        ),
    ),
    right_variants=(_encoder(), _loop, _by_logarithms),
    hints=(
        "Turn both into centre and size first, for example with your xyxy_to_cxcywh.",
        "dx = (gt cx - proposal cx) / proposal w, dw = log(gt w / proposal w), and the same with y and h.",
        "Join the four to [N, 4] and multiply by the weights, deltas.new_tensor(weights).",
    ),
)
