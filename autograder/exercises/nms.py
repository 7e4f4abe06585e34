"""Exercise 18: greedy non-maximum suppression."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from detseg.boxes import box_iou
from detseg.boxes import nms as reference

from .exercise import Case, Exercise, Family, Misconception, Mismatch

# --- cases ------------------------------------------------------------------------------------------------


def _cluster(generator: torch.Generator, objects: int, around: int) -> tuple[Tensor, Tensor]:
    """So many boxes around each object, in random order, and scores that are all different."""
    corner = torch.rand(objects, 1, 2, generator=generator) * torch.tensor([120.0, 70.0])
    size = torch.rand(objects, 1, 2, generator=generator) * torch.tensor([30.0, 15.0]) + 20
    shift = torch.rand(2, objects, around, 2, generator=generator) * 9
    boxes = torch.cat([corner + shift[0], corner + size + shift[1]], 2).flatten(0, 1)  # [objects x around, 4]
    count = len(boxes)
    scores = (torch.randperm(count, generator=generator) + 0.5) / count
    return boxes, scores


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    boxes = torch.tensor(
        [[50.0, 9, 90, 30], [2, 4, 32, 22], [3, 5, 34, 21], [52, 10, 91, 33], [4, 3, 30, 23]]
    )
    yield Case((boxes, torch.tensor([0.3, 0.7, 0.9, 0.5, 0.1]), 0.5), "five boxes around two objects")
    yield Case((*_cluster(generator, 3, 4), 0.5), "twelve boxes around three objects")


def _chain(generator: torch.Generator) -> Iterator[Case]:
    steps = torch.tensor([0.0, 8.0, 16.0, 24.0, 32.0])
    boxes = torch.stack(
        [steps, torch.full((5,), 2.0), steps + 20, torch.full((5,), 17.0)], 1
    )  # IoU 3/7, then 1/9
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    yield Case((boxes, scores, 0.25), "a chain in which each box overlaps only its neighbours")
    order = torch.randperm(5, generator=generator)
    yield Case((boxes[order], scores[order], 0.25), "the same chain in another order")


def _other_thresholds(generator: torch.Generator) -> Iterator[Case]:
    boxes, scores = _cluster(generator, 3, 5)
    yield Case((boxes, scores, 0.75), "a threshold of 0.75")
    yield Case((boxes, scores, 0.125), "a threshold of 0.125")


def _ties(generator: torch.Generator) -> Iterator[Case]:
    boxes = torch.tensor([[60.0, 5, 90, 20], [2, 4, 32, 22], [3, 5, 33, 21], [61, 6, 91, 22], [3, 4, 31, 20]])
    note = "boxes with equal scores, of which the earlier one wins"
    yield Case((boxes, torch.tensor([0.5, 0.75, 0.75, 0.5, 0.75]), 0.5), note)


def _at_the_threshold(generator: torch.Generator) -> Iterator[Case]:
    boxes = torch.tensor(
        [[0.0, 0.0, 12.0, 4.0], [0.0, 0.0, 6.0, 4.0], [30.0, 8.0, 46.0, 10.0], [30.0, 8.0, 38.0, 10.0]]
    )
    yield Case((boxes, torch.tensor([0.5, 0.75, 0.25, 0.375]), 0.5), "an IoU that equals the threshold")


def _odd_boxes(generator: torch.Generator) -> Iterator[Case]:
    boxes = torch.tensor(
        [[5.0, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 8], [-30, -20, -5, -9], [-29, -21, -6, -10]]
    )
    scores = torch.tensor([0.9, 0.8, 0.7, 0.2, 0.4])
    yield Case((boxes, scores, 0.5), "boxes without area, and boxes at negative coordinates")


def _few(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.zeros(0, 4), torch.zeros(0), 0.5), "no box at all")
    yield Case((torch.tensor([[3.0, 4.0, 9.0, 7.0]]), torch.tensor([0.25]), 0.5), "a single box")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    boxes, scores = _cluster(generator, 3, 6)
    yield Case((boxes.T.contiguous().T[::2], scores[::2], 0.5), "memory that is not contiguous")
    yield Case((boxes.double(), scores.double(), 0.5), "float64 boxes")


def _random(generator: torch.Generator) -> Iterator[Case]:
    for objects, around in ((4, 8), (6, 10)):
        yield Case(
            (*_cluster(generator, objects, around), 0.375), f"{around} boxes around each of {objects} objects"
        )


# --- what is asked of the kept indices ------------------------------------------------------------------------


def _judge(case: Case, result: Any, right: Tensor) -> Mismatch | None:
    """The first place that differs, and which overlap or score decides it."""
    if not isinstance(result, Tensor) or result.dim() != 1 or result.dtype != torch.int64:
        kind = (
            f"{str(result.dtype)[6:]} {list(result.shape)}"
            if isinstance(result, Tensor)
            else type(result).__name__
        )
        return Mismatch(f"the result must be an int64 tensor [M] of the kept indices; yours is {kind}.")
    yours, expected = result.tolist(), right.tolist()
    place = next((i for i, (a, b) in enumerate(zip_longest(yours, expected)) if a != b), None)
    if place is None:
        return None
    rows = (" ".join(map(str, indices[:20])) for indices in (yours, expected))
    why = _why(case, yours, expected, place)
    return Mismatch("place {} differs: {}\nyours     {}\nexpected  {}".format(place, why, *rows))


def _why(case: Case, yours: list[int], expected: list[int], place: int) -> str:
    """The overlap or score that decides the first place where the lists differ."""
    boxes, scores, threshold = case.arguments
    if place < len(yours):
        mine = yours[place]
        if not 0 <= mine < len(boxes):
            return f"{mine} is no index of a box (0 to {len(boxes) - 1})."
        if mine in yours[:place]:
            return f"box {mine} is kept twice."
        overlap = box_iou(boxes[mine : mine + 1], boxes[expected])[0]
        if mine not in expected:
            kept = int((overlap > threshold).float().argmax())
            better = f"box {expected[kept]}, kept before it, is {float(overlap[kept]):.3g} > {threshold:g}"
            return f"box {mine} must be dropped; its IoU with {better}."
    right = expected[place]
    if right in yours:
        first, second = float(scores[mine]), float(scores[right])
        return f"box {mine} has a score of {first:.3g}; next is box {right} with {second:.3g}."
    most = float(box_iou(boxes[[right]], boxes[expected[:place]]).max()) if place else 0.0
    return f"box {right} must be kept here; its IoU with the boxes kept before it is at most {most:.3g}."


# --- one loop, many ways to write its parts wrong -------------------------------------------------------------


def _best_first(scores: Tensor) -> Tensor:
    return scores.argsort(descending=True, stable=True)


def _greedy(
    rank: Callable[[Tensor], Tensor] = _best_first,
    overlap: Callable[[Tensor, Tensor], Tensor] = box_iou,
    drops: Callable[[Tensor, float], Tensor] = lambda iou, threshold: iou > threshold,
    only_kept_drop: bool = True,
    rounds: int | None = None,
    lookup: Callable[[Tensor, Tensor], Tensor] = lambda boxes, order: boxes[order],
    finish: Callable[[Tensor, Tensor], Tensor] = lambda order, kept: order[kept],
) -> Callable[[Tensor, Tensor, float], Tensor]:
    """Take the best box left, drop what overlaps it, repeat; every word of that can be another one."""

    def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
        order = rank(scores)  # [N]
        ranked = lookup(boxes, order)
        kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
        for i in range(len(boxes) if rounds is None else min(rounds, len(boxes))):
            if kept[i] or not only_kept_drop:
                kept[i + 1 :] &= ~drops(overlap(ranked[i : i + 1], ranked[i + 1 :])[0], iou_threshold)
        return finish(order, kept)

    return nms


def _over_the_smaller(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    sides = torch.minimum(boxes1[:, None, 2:], boxes2[:, 2:]) - torch.maximum(
        boxes1[:, None, :2], boxes2[:, :2]
    )
    area1, area2 = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (boxes1, boxes2))
    return sides.clamp(min=0).prod(2) / torch.minimum(area1[:, None], area2)


# --- right ones, written differently ------------------------------------------------------------------------


def _shrinking(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The list of boxes that are left shrinks until it is empty."""
    left, kept = _best_first(scores), []
    while len(left):
        kept.append(left[0])
        left = left[1:][box_iou(boxes[left[:1]], boxes[left[1:]])[0] <= iou_threshold]
    return torch.stack(kept) if kept else left


def _in_plain_python(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """All overlaps first, then a loop over Python's own lists."""
    overlap, value = box_iou(boxes, boxes).tolist(), scores.tolist()
    kept: list[int] = []
    for i in sorted(range(len(value)), key=lambda i: -value[i]):
        if all(overlap[i][k] <= iou_threshold for k in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)


EXERCISE = Exercise(
    name="nms",
    number=18,
    lab="03_localisation_and_proposals",
    task="Keep the best box, drop all that overlap it too much, and repeat with what is left.",
    difficulty=3,
    importance=5,
    minutes=25,
    oracle=reference,
    judge=_judge,
    delegates=("torchvision.*", "detseg.boxes.nms.*"),
    families=(
        Family("ordinary boxes", _ordinary, weight=2),
        Family("chain", _chain, weight=2),
        Family("other thresholds", _other_thresholds),
        Family("equal scores", _ties),
        Family("overlap at the threshold", _at_the_threshold, hidden=True),
        Family("odd boxes", _odd_boxes, hidden=True),
        Family("few boxes", _few, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random boxes", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "dropped boxes still drop others",
            _greedy(only_kept_drop=False),
            "A box that was dropped is gone: only boxes that are kept may drop others.",
        ),
        Misconception(
            "one round only",
            _greedy(rounds=1),
            "After the best box comes the best of those left, and so on: repeat until none is left.",
        ),
        Misconception(
            "worst first",
            _greedy(rank=lambda scores: scores.argsort(stable=True)),
            "argsort() puts the smallest score first: use argsort(descending=True, stable=True).",
        ),
        Misconception(
            "boxes not sorted",
            _greedy(rank=lambda scores: torch.arange(len(scores), device=scores.device)),
            "Go through the boxes by decreasing score, not in the order in which they arrive.",
        ),
        Misconception(
            "later one wins a tie",
            _greedy(rank=lambda scores: scores.argsort(stable=True).flip(0)),
            "Sorting upwards and flipping also flips equal scores: use argsort(descending=True, stable=True).",
        ),
        Misconception(
            "boxes not sorted with their scores",
            _greedy(lookup=lambda boxes, order: boxes),
            "Position i of the sorted list is box order[i]: compare boxes[order[i]], not boxes[i].",
        ),
        Misconception(
            "places in the sorted list returned",
            _greedy(finish=lambda order, kept: torch.where(kept)[0]),
            "Return indices into the boxes you were given: order[kept], not places in the sorted list.",
        ),
        Misconception(
            "kept indices sorted",
            _greedy(finish=lambda order, kept: order[kept].sort().values),
            "The kept indices come by decreasing score: leave them in the order in which they were kept.",
        ),
        Misconception(
            "mask returned",
            _greedy(
                finish=lambda order, kept: torch.zeros_like(kept).index_put((order[kept],), kept.new_ones(()))
            ),
            "A mask loses the order of the scores: return the kept indices, best first.",
        ),
        Misconception(
            "overlap at the threshold dropped",
            _greedy(drops=lambda iou, threshold: iou >= threshold),
            "Drop a box only if its IoU is above the threshold: use >, not >=.",
        ),
        Misconception(
            "comparison the wrong way round",
            _greedy(drops=lambda iou, threshold: iou < threshold),
            "Boxes that overlap much are dropped, those that overlap little stay: drop where IoU > threshold.",
        ),
        Misconception(
            "overlap over the smaller box",
            _greedy(overlap=_over_the_smaller),
            "The overlap is the intersection over the union, not over the smaller of the two boxes.",
        ),
        Misconception(
            "result built from a list",
            _greedy(finish=lambda order, kept: torch.tensor(order[kept].tolist())),
            "torch.tensor(list) lives on the CPU, and is float32 for no box: give it dtype=torch.int64 and a device.",
        ),
    ),
    right_variants=(_greedy(), _shrinking, _in_plain_python),
    hints=(
        "order = scores.argsort(descending=True, stable=True): the first of it is kept for certain.",
        "Compare that box with all that are left, box_iou(boxes[order[:1]], boxes[order[1:]])[0], and go on with "
        "order[1:][iou <= iou_threshold].",
        "Collect the kept indices, and return them as one int64 tensor on the device of the boxes, also when there "
        "is no box.",
    ),
)
