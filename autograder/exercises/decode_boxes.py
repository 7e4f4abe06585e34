"""Exercise 24: from predicted deltas to boxes (R-CNN, Girshick 2014, appendix C)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.boxes import decode_boxes as reference
from detseg.boxes import encode_boxes

from .exercise import Case, Exercise, Family, Misconception

Weights = tuple[float, float, float, float]
ONES = (1.0, 1.0, 1.0, 1.0)
HEAD = (10.0, 10.0, 5.0, 5.0)
MOST = math.log(1000 / 16)

# --- cases ------------------------------------------------------------------------------------------------


def _boxes(generator: torch.Generator, count: int) -> Tensor:
    """Boxes of very different shapes, some of which begin left of or above the image."""
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([90.0, 60.0]) - 10
    size = torch.rand(count, 2, generator=generator) * torch.tensor([60.0, 30.0]) + 6
    return torch.cat([corner, corner + size], 1)


def _deltas(generator: torch.Generator, *shape: int, weights: Weights = ONES) -> Tensor:
    return 0.4 * torch.randn(*shape, 4, generator=generator) * torch.tensor(weights)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    proposals = torch.tensor([[20.0, 18.0, 40.0, 34.0], [0.0, 8.0, 20.0, 28.0]])
    deltas = torch.tensor([[0.25, -0.0625, 0.7, -0.5], [-0.5, 0.1, -0.7, 0.7]])
    yield Case((deltas, proposals, ONES), "two boxes and weights of 1")
    yield Case((_deltas(generator, 5), _boxes(generator, 5), ONES), "five random boxes and weights of 1")


def _weights(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (_deltas(generator, 4, weights=HEAD), _boxes(generator, 4), HEAD), "the head's weights (10, 10, 5, 5)"
    )
    odd = (2.0, 4.0, 0.5, 8.0)
    yield Case((_deltas(generator, 3, weights=odd), _boxes(generator, 3), odd), "four different weights")


def _classes(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (_deltas(generator, 3, 5, weights=HEAD), _boxes(generator, 3), HEAD),
        "3 proposals with 5 classes each",
    )
    yield Case((_deltas(generator, 4, 4), _boxes(generator, 4), ONES), "4 proposals with 4 classes each")


def _back(generator: torch.Generator) -> Iterator[Case]:
    gt, proposals = _boxes(generator, 4), _boxes(generator, 4)
    yield Case((encode_boxes(gt, proposals, HEAD), proposals, HEAD), "deltas that encode_boxes made")


def _huge(generator: torch.Generator) -> Iterator[Case]:
    deltas = torch.tensor([[0.1, -0.2, 30.0, 50.0], [0.0, 0.3, 1e6, -1e6], [0.2, 0.1, -3.0, -9.0]])
    yield Case((deltas, _boxes(generator, 3), HEAD), "huge deltas, as from an untrained network")
    yield Case((deltas[:, None].repeat(1, 2, 1), _boxes(generator, 3), ONES), "huge deltas with two classes")


def _empty(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.zeros(0, 4), torch.zeros(0, 4), ONES), "no box at all")
    yield Case((torch.zeros(0, 3, 4), torch.zeros(0, 4), ONES), "no box, and three classes")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    deltas, proposals = _deltas(generator, 4, 3), _boxes(generator, 4)
    stretched = deltas.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    yield Case((stretched, proposals.T.contiguous().T, ONES), "tensors whose memory is not contiguous")


def _random(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (_deltas(generator, 30, 6, weights=HEAD), _boxes(generator, 30), HEAD), "30 proposals with 6 classes"
    )


def _locate(case: Case, index: tuple[int, ...]) -> str:
    delta, proposal = case.arguments[0][index[:-1]].tolist(), case.arguments[1][index[0]].tolist()
    first, second = (f"({', '.join(f'{value:.4g}' for value in values)})" for values in (delta, proposal))
    return f"There the deltas are {first}, proposals[{index[0]}] = {second}, weights = {case.arguments[2]}"


# --- one formula, many ways to write its parts wrong ----------------------------------------------------------


def _centre(box: Tensor) -> Tensor:
    return (box[..., :2] + box[..., 2:]) / 2


def _decoder(
    unweigh: Callable[[Tensor, Tensor], Tensor] = lambda deltas, weights: deltas / weights,
    start: Callable[[Tensor], Tensor] = _centre,
    move: Callable[[Tensor, Tensor], Tensor] = lambda shift, size: shift * size,
    grow: Callable[[Tensor], Tensor] = lambda growth: growth.clamp(max=MOST).exp(),
    corners: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda c, size: (c - size / 2, c + size / 2),
    per_class: Callable[[Tensor], Tensor] = lambda proposals: proposals[:, None],
    inclusive: int = 0,
) -> Callable[[Tensor, Tensor, Weights], Tensor]:
    """Weights, shift, growth and corners: each can be another one."""

    def decode_boxes(deltas: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
        box = per_class(proposals.float()) if deltas.dim() == 3 else proposals.float()
        size = box[..., 2:] - box[..., :2] + inclusive
        shift, growth = unweigh(deltas.float(), proposals.new_tensor(weights)).split(2, -1)  # 2 x [..., 2]
        centre = start(box) + move(shift, size)
        return torch.cat(corners(centre, size * grow(growth)), -1)

    return decode_boxes


def _shift_in_new_sides(deltas: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    grown = _decoder(move=lambda shift, size: 0 * size)(deltas, proposals, weights)
    shift = (deltas / deltas.new_tensor(weights))[..., :2] * (grown[..., 2:] - grown[..., :2])
    return grown + shift.repeat(*[1] * (deltas.dim() - 1), 2)


# --- right ones, written differently ------------------------------------------------------------------------


def _loop(deltas: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    """One box after the other, in Python's numbers."""

    def decode(delta: list[float], x1: float, y1: float, x2: float, y2: float) -> list[float]:
        dx, dy, dw, dh = (value / weight for value, weight in zip(delta, weights, strict=True))
        width, height = x2 - x1, y2 - y1
        x, y = x1 + width / 2 + dx * width, y1 + height / 2 + dy * height
        width, height = width * math.exp(min(dw, MOST)), height * math.exp(min(dh, MOST))
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]

    boxes = torch.zeros(deltas.shape, dtype=torch.float32, device=deltas.device)
    for n, proposal in enumerate(proposals.tolist()):
        if deltas.dim() == 2:
            boxes[n] = boxes.new_tensor(decode(deltas[n].tolist(), *proposal))
        else:
            for k in range(deltas.shape[1]):
                boxes[n, k] = boxes.new_tensor(decode(deltas[n, k].tolist(), *proposal))
    return boxes


def _flattened(deltas: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    """Classes become rows: each proposal is repeated for its classes, and the shape restored at the end."""
    repeats = deltas.shape[1] if deltas.dim() == 3 else 1
    x1, y1, x2, y2 = proposals.repeat_interleave(repeats, 0).unbind(1)  # 4 x [N K]
    dx, dy, dw, dh = (part / weight for part, weight in zip(deltas.reshape(-1, 4).T, weights, strict=True))
    width, height = x2 - x1, y2 - y1
    x, y = (x1 + x2) / 2 + dx * width, (y1 + y2) / 2 + dy * height
    half_w, half_h = width * dw.clamp(max=MOST).exp() / 2, height * dh.clamp(max=MOST).exp() / 2
    return torch.stack([x - half_w, y - half_h, x + half_w, y + half_h], 1).reshape(deltas.shape)


EXERCISE = Exercise(
    name="decode_boxes",
    number=24,
    lab="04_rcnn",
    task="Apply predicted deltas to proposals, for one box or for one box of each class.",
    difficulty=3,
    importance=5,
    minutes=20,
    oracle=reference,
    tolerance=(1e-4, 1e-3),
    axes=("box",),
    locate=_locate,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary boxes", _ordinary, weight=2),
        Family("weights", _weights, weight=2),
        Family("a box for each class", _classes, weight=2),
        Family("back from encode_boxes", _back),
        Family("huge deltas", _huge, hidden=True),
        Family("no box", _empty, hidden=True),
        Family("memory layout", _memory_layout, hidden=True),
        Family("random boxes", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "weights forgotten",
            _decoder(unweigh=lambda deltas, weights: deltas),
            "Divide the four deltas by the four weights first.",
        ),
        Misconception(
            "multiplied by the weights",
            _decoder(unweigh=lambda deltas, weights: deltas * weights),
            "Encoding multiplies by the weights, so decoding divides by them.",
        ),
        Misconception(
            "shift in pixels",
            _decoder(move=lambda shift, size: shift),
            "dx is in units of the proposal's width: the centre moves by dx * width.",
        ),
        Misconception(
            "shift in units of the new sides",
            _shift_in_new_sides,
            "Move the centre by dx times the proposal's width, not the new one: compute the centre first.",
        ),
        Misconception(
            "started from the corner",
            _decoder(start=lambda box: box[..., :2]),
            "The shift starts from the proposal's centre, (x1 + x2) / 2, not from its corner.",
        ),
        Misconception(
            "exponential forgotten",
            _decoder(grow=lambda growth: growth),
            "dw is the logarithm of the growth: the new width is width * exp(dw).",
        ),
        Misconception(
            "growth taken as a share",
            _decoder(grow=lambda growth: 1 + growth),
            "The new width is width * exp(dw); 1 + dw agrees only near 0, and can become negative.",
        ),
        Misconception(
            "growth not limited",
            _decoder(grow=torch.exp),
            "exp overflows for an untrained network: clamp dw and dh to at most log(1000 / 16) first.",
        ),
        Misconception(
            "growth limited on both sides",
            _decoder(grow=lambda growth: growth.clamp(-2, MOST).exp()),
            "Only growing is limited, at log(1000 / 16); a very negative dw is harmless.",
        ),
        Misconception(
            "limited before the weights",
            _decoder(unweigh=lambda deltas, weights: deltas.clamp(max=MOST) / weights),
            "Divide by the weights first; the limit log(1000 / 16) holds for dw itself.",
        ),
        Misconception(
            "whole side around the centre",
            _decoder(corners=lambda centre, size: (centre - size, centre + size)),
            "From the centre it is half the side to each corner: x - w / 2 and x + w / 2.",
        ),
        Misconception(
            "centre and size returned",
            _decoder(corners=lambda centre, size: (centre, size)),
            "Return corners (x1, y1, x2, y2): x - w / 2 and x + w / 2.",
        ),
        Misconception(
            "classes matched with proposals",
            _decoder(per_class=lambda proposals: proposals),
            "For deltas [N, K, 4] the proposals must be [N, 1, 4], proposals[:, None]: without it, class k gets "
            "proposal k (or the shapes do not fit).",
        ),
        Misconception(
            "one pixel too many",
            _decoder(inclusive=1),
            "Coordinates are continuous here: the width is x2 - x1, without + 1.",
        ),
        Misconception(
            "weights on the CPU",
            _decoder(unweigh=lambda deltas, weights: deltas / torch.tensor(weights.tolist())),
            "torch.tensor(weights) lives on the CPU: use deltas.new_tensor(weights).",
        ),
    ),
    right_variants=(_decoder(), _loop, _flattened),
    hints=(
        "Proposals to centre and size first; dx, dy, dw, dh are the deltas divided by the weights.",
        "New centre: cx + dx * w. New width: w * exp(dw), with dw clamped to at most log(1000 / 16). Then corners.",
        "With [..., :2] and [..., 2:] the same lines serve [N, 4] and [N, K, 4]; there, use proposals[:, None].",
    ),
)
