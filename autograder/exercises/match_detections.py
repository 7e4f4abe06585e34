"""Exercise 28: which detections are hits (the PASCAL VOC rule, Everingham et al. 2010, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.boxes import box_iou
from detseg.metrics import match_detections as reference

from .exercise import Case, Exercise, Family, Misconception

HIT, MISS, NOT_COUNTED = 1, 0, -1

# --- cases ------------------------------------------------------------------------------------------------


def _flags(*difficult: int) -> Tensor:
    return torch.tensor(difficult, dtype=torch.bool)


def _scene(
    generator: torch.Generator, objects: int, detections: int, difficult: float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Detections near some of the objects, good and bad ones, with scores that are all different."""
    corner = torch.rand(objects, 2, generator=generator) * torch.tensor([120.0, 70.0])
    gt_boxes = torch.cat([corner, corner + torch.rand(objects, 2, generator=generator) * 20 + 20], 1)
    near = torch.randint(objects, (detections,), generator=generator)
    boxes = gt_boxes[near] + torch.rand(detections, 4, generator=generator) * 16 - 6
    scores = (torch.randperm(detections, generator=generator) + 0.5) / detections
    return boxes, scores, gt_boxes, torch.rand(objects, generator=generator) < difficult


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[10.0, 10, 50, 30], [60, 5, 80, 45]])
    boxes = torch.tensor([[90.0, 50, 110, 60], [12, 11, 52, 32], [62, 30, 82, 50], [59, 6, 79, 44]])
    scores = torch.tensor([0.3, 0.6, 0.5, 0.9])
    yield Case((boxes, scores, gt_boxes, _flags(0, 0)), "4 detections and 2 objects")
    yield Case((*_scene(generator, 3, 7), 0.5), "7 detections of 3 objects")


def _twice(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[10.0, 10, 50, 30], [60, 5, 80, 45]])
    boxes = torch.tensor([[12.0, 11, 52, 32], [10, 10, 50, 30], [61, 6, 80, 46], [11, 9, 49, 29]])
    scores = torch.tensor([0.4, 0.8, 0.2, 0.7])
    yield Case((boxes, scores, gt_boxes, _flags(0, 0), 0.5), "three detections of one object")


def _second_best(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[0.0, 0, 20, 10], [6, 0, 26, 10]])
    boxes = torch.tensor([[0.0, 0, 20, 11], [2, 0, 22, 10]])
    note = "a detection whose best object is taken, beside another one it overlaps enough"
    yield Case((boxes, torch.tensor([0.9, 0.6]), gt_boxes, _flags(0, 0), 0.5), note)


def _difficult(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[10.0, 10, 50, 30], [60, 5, 80, 45], [16, 10, 56, 30], [90, 50, 112, 62]])
    boxes = torch.tensor([[11.0, 10, 51, 30], [60, 6, 80, 46], [10, 11, 50, 31], [91, 50, 111, 62]])
    scores = torch.tensor([0.5, 0.9, 0.8, 0.7])
    yield Case(
        (boxes, scores, gt_boxes, _flags(1, 0, 0, 1), 0.5), "three detections of two difficult objects"
    )
    yield Case((*_scene(generator, 4, 9, 0.5), 0.5), "9 detections of 4 objects, some of them difficult")


def _near_misses(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[10.0, 10, 50, 30]])
    boxes = torch.tensor([[35.0, 10, 75, 30], [12, 10, 52, 30]])
    yield Case(
        (boxes, torch.tensor([0.9, 0.6]), gt_boxes, _flags(0), 0.5), "a poor detection before a good one"
    )


def _at_the_threshold(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[0.0, 0, 12, 4], [30, 8, 46, 10]])
    boxes = torch.tensor([[0.0, 0, 6, 4], [30, 8, 34, 10]])
    yield Case(
        (boxes, torch.tensor([0.5, 0.75]), gt_boxes, _flags(0, 0), 0.5), "an IoU that equals the threshold"
    )
    yield Case((boxes, torch.tensor([0.5, 0.75]), gt_boxes, _flags(0, 0), 0.25), "a threshold of 0.25")


def _ties(generator: torch.Generator) -> Iterator[Case]:
    gt_boxes = torch.tensor([[10.0, 10, 50, 30], [60, 5, 80, 45]])
    boxes = torch.tensor([[12.0, 11, 52, 32], [60, 5, 80, 40], [10, 10, 50, 30], [61, 6, 81, 46]])
    scores = torch.tensor([0.5, 0.75, 0.5, 0.75])
    yield Case(
        (boxes, scores, gt_boxes, _flags(0, 0), 0.5), "equal scores, of which the earlier one goes first"
    )


def _empty(generator: torch.Generator) -> Iterator[Case]:
    boxes, scores, gt_boxes, difficult = _scene(generator, 2, 3)
    yield Case((boxes, scores, gt_boxes[:0], difficult[:0], 0.5), "no object")
    yield Case((boxes[:0], scores[:0], gt_boxes, difficult, 0.5), "no detection")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    boxes, scores, gt_boxes, difficult = _scene(generator, 3, 12, 0.3)
    arguments = (boxes.T.contiguous().T[::2], scores[::2], gt_boxes.T.contiguous().T, difficult, 0.5)
    yield Case(arguments, "memory that is not contiguous")
    yield Case((boxes.double(), scores.double(), gt_boxes.double(), difficult, 0.5), "float64 boxes")


def _random(generator: torch.Generator) -> Iterator[Case]:
    for objects, detections in ((3, 12), (6, 25)):
        scene = _scene(generator, objects, detections, 0.3)
        yield Case((*scene, 0.375), f"{detections} detections of {objects} objects, some of them difficult")


def _locate(case: Case, index: tuple[int, ...]) -> str:
    boxes, scores, gt_boxes, difficult, *_ = case.arguments
    number = int(scores.argsort(descending=True, stable=True)[index[0]])
    overlaps = box_iou(boxes[[number]], gt_boxes)[0].tolist()
    words = ", ".join(
        f"{iou:.3g}{' (difficult)' * flag}" for iou, flag in zip(overlaps, difficult.tolist(), strict=True)
    )
    score = float(scores[number])
    return f"Rank {index[0]} is detection {number}, score {score:.3g}; its IoU with the objects: {words or 'no object'}"


# --- one rule, many ways to write its parts wrong -------------------------------------------------------------

Outcomes = Callable[..., Tensor]


def _best_first(scores: Tensor) -> Tensor:
    return scores.argsort(descending=True, stable=True)


def _matcher(
    rank: Callable[[Tensor], Tensor] = _best_first,
    reaches: Callable[[float, float], bool] = lambda iou, threshold: iou >= threshold,
    of_difficult: Callable[[bool], int] = lambda again: NOT_COUNTED,
    again: int = MISS,
    too_little: int = MISS,
    next_best: bool = False,
    takes_always: bool = False,
    finish: Callable[[Tensor, Tensor], Tensor] = lambda outcome, order: outcome,
) -> Outcomes:
    """Order, threshold, difficult objects, what a second detection gets: each can be another one."""

    def match_detections(
        boxes: Tensor, scores: Tensor, gt_boxes: Tensor, difficult: Tensor, iou_threshold: float = 0.5
    ) -> Tensor:
        order = rank(scores)
        overlap, hard = box_iou(boxes, gt_boxes).tolist(), difficult.tolist()
        taken: set[int] = set()
        outcome = []
        for number in order.tolist():
            row = overlap[number]
            free = [g for g in range(len(row)) if g not in taken or not next_best] or list(range(len(row)))
            gt = max(free, key=row.__getitem__, default=-1)
            enough = gt >= 0 and reaches(row[gt], iou_threshold)
            if not enough:
                outcome.append(too_little)
            elif hard[gt]:
                outcome.append(of_difficult(gt in taken))
            else:
                outcome.append(again if gt in taken else HIT)
            if enough or takes_always:
                taken.add(gt)
        return finish(torch.tensor(outcome, dtype=torch.int64, device=boxes.device), order)

    return match_detections


def _without_the_difficult(
    boxes: Tensor, scores: Tensor, gt_boxes: Tensor, difficult: Tensor, iou_threshold: float = 0.5
) -> Tensor:
    return _matcher()(boxes, scores, gt_boxes[~difficult], difficult[~difficult], iou_threshold)


def _best_of_each_object(
    boxes: Tensor, scores: Tensor, gt_boxes: Tensor, difficult: Tensor, iou_threshold: float = 0.5
) -> Tensor:
    outcome = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    if len(boxes) and len(gt_boxes):
        best, number = box_iou(boxes, gt_boxes).max(0)  # 2 x [G]
        enough = best >= iou_threshold
        outcome[number[enough & ~difficult]] = HIT
        outcome[number[enough & difficult]] = NOT_COUNTED
    return outcome[_best_first(scores)]


# --- right ones, written differently ------------------------------------------------------------------------


def _by_first_occurrence(
    boxes: Tensor, scores: Tensor, gt_boxes: Tensor, difficult: Tensor, iou_threshold: float = 0.5
) -> Tensor:
    """Without a loop: a detection hits if it is the first in score order that wants its object."""
    order = _best_first(scores)
    if not len(gt_boxes):
        return torch.zeros_like(order)
    best, gt = box_iou(boxes[order], gt_boxes).max(1)  # 2 x [N]
    enough = best >= iou_threshold
    earlier = (gt[:, None] == gt) & enough  # [N, N]: column wants the same object as row
    first = ~earlier.tril(-1).any(1)
    outcome = (enough & first).long()
    return torch.where(enough & difficult[gt], NOT_COUNTED, outcome)


EXERCISE = Exercise(
    name="match_detections",
    number=28,
    lab="04_rcnn",
    task="Judge each detection, best score first: hit, miss, or not counted.",
    difficulty=4,
    importance=4,
    minutes=30,
    oracle=reference,
    tolerance=(0.0, 0.0),
    axes=("rank",),
    locate=_locate,
    delegates=("torchvision.*", "pycocotools.*"),
    families=(
        Family("ordinary detections", _ordinary, weight=2),
        Family("found twice", _twice, weight=2),
        Family("best object taken", _second_best),
        Family("difficult objects", _difficult, weight=2),
        Family("nothing there", _empty),
        Family("near misses", _near_misses, hidden=True),
        Family("overlap at the threshold", _at_the_threshold, hidden=True),
        Family("equal scores", _ties, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random detections", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "every detection of an object hits",
            _matcher(again=HIT),
            "Each object can be found once: remember which are taken; a second detection of it is a miss.",
        ),
        Misconception(
            "next best object taken",
            _matcher(next_best=True),
            "A detection looks at its best object only; if that one is taken it is a miss (COCO's rule differs).",
        ),
        Misconception(
            "detections not sorted",
            _matcher(rank=lambda scores: torch.arange(len(scores), device=scores.device)),
            "Go through the detections by decreasing score: the surest one takes the object.",
        ),
        Misconception(
            "result in the order of the input",
            _matcher(finish=lambda outcome, order: outcome[order.argsort()]),
            "The result is in score order, best first, as the precision-recall curve needs it.",
        ),
        Misconception(
            "worst first",
            _matcher(rank=lambda scores: scores.argsort(stable=True)),
            "argsort() puts the smallest score first: use argsort(descending=True, stable=True).",
        ),
        Misconception(
            "difficult objects count",
            _matcher(of_difficult=lambda again: MISS if again else HIT),
            "A detection of a difficult object is neither hit nor miss: -1.",
        ),
        Misconception(
            "difficult objects are misses",
            _matcher(of_difficult=lambda again: MISS),
            "Who finds a difficult object is not punished: -1, not counted.",
        ),
        Misconception(
            "difficult objects removed first",
            _without_the_difficult,
            "Without the difficult objects their detections look like false alarms: keep them and answer -1.",
        ),
        Misconception(
            "second detection of a difficult object punished",
            _matcher(of_difficult=lambda again: MISS if again else NOT_COUNTED),
            "A difficult object cannot be taken: every detection of it is -1.",
        ),
        Misconception(
            "best detection of each object",
            _best_of_each_object,
            "The score decides who takes an object, not the overlap: ask each detection for its best object.",
        ),
        Misconception(
            "object taken by a near miss",
            _matcher(takes_always=True),
            "Only a detection that overlaps enough takes its object; a near miss leaves it free.",
        ),
        Misconception(
            "overlap at the threshold too little",
            _matcher(reaches=lambda iou, threshold: iou > threshold),
            "An IoU equal to the threshold is enough: use >=.",
        ),
        Misconception(
            "near misses not counted",
            _matcher(too_little=NOT_COUNTED),
            "A detection that overlaps no object enough is a false alarm: 0. Only difficult objects give -1.",
        ),
        Misconception(
            "result left on the CPU",
            _matcher(finish=lambda outcome, order: torch.tensor(outcome.tolist()).long()),
            "torch.tensor(...) lives on the CPU: give it device=boxes.device.",
        ),
    ),
    right_variants=(_matcher(), _by_first_occurrence),
    hints=(
        "order = scores.argsort(descending=True, stable=True), and box_iou(boxes[order], gt_boxes).max(1) gives for "
        "each detection its best object and the overlap.",
        "Loop over the detections in that order with a set of taken objects. Too little overlap: 0. Difficult: -1. "
        "Taken: 0. Otherwise 1, and now it is taken.",
        "Without any object there is no maximum: all detections are 0.",
    ),
)
