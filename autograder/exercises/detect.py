"""Exercise 35: from the head's outputs to detections (Fast R-CNN, Girshick 2015, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from detseg.boxes import HEAD_WEIGHTS, box_iou, clip_boxes, decode_boxes, nms
from detseg.models.detect import detect as reference

from .exercise import Case, Exercise, Family, Misconception, Mismatch

Detections = tuple[Tensor, Tensor, Tensor]
Size = tuple[int, int]

# --- cases ------------------------------------------------------------------------------------------------


def _scene(
    generator: torch.Generator, image_size: tuple[int, int], classes: int = 4, objects: int = 3
) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
    """Three RoIs around each object, two likely classes for each RoI, some background, all in random order."""
    sides = torch.tensor([image_size[1], image_size[0]])
    corner, size = torch.rand(2, objects, 1, 2, generator=generator)  # 2 x [O, 1, 2]
    corner, size = corner * 0.6 * sides, (0.2 + 0.2 * size) * sides
    shift = torch.rand(2, objects, 3, 2, generator=generator) * 5
    around = torch.cat([corner + shift[0], corner + size + shift[1]], 2).flatten(0, 1)  # [3 O, 4]
    elsewhere = torch.tensor([[2.0, 3.0, 30.0, 21.0], [5.0, 9.0, 23.0, 40.0]])
    proposals = torch.cat([around, elsewhere])
    logits = 0.5 * torch.randn(len(proposals), classes, generator=generator)
    rows, number = torch.arange(3 * objects), torch.arange(3 * objects) // 3
    logits[rows, 1 + number % (classes - 1)] += 3
    logits[rows, 1 + (number + 1) % (classes - 1)] += 2
    logits[3 * objects :, 0] += 4
    deltas = 0.6 * torch.randn(len(proposals), classes, 4, generator=generator)
    order = torch.randperm(len(proposals), generator=generator)
    return logits[order], deltas[order], proposals[order], image_size


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (*_scene(generator, (90, 140)), 0.125, 0.5, 50), "three objects and 4 classes in a 90 x 140 image"
    )
    yield Case((*_scene(generator, (120, 80), 6, 4), 0.0625, 0.25, 50), "four objects and 6 classes")


def _limit(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (*_scene(generator, (100, 150), 3, 5), 0.0625, 0.5, 3), "five objects, 3 classes and a limit of 3"
    )
    yield Case((*_scene(generator, (90, 140)), 0.0625, 0.5, 1), "a limit of 1 detection")


def _rider(generator: torch.Generator) -> Iterator[Case]:
    logits = torch.tensor([[0.0, 2.0, 1.8, -1.0], [0.2, 1.4, 1.9, -2.0], [3.0, -1.0, 0.0, 1.0]])
    logits = logits + 0.1 * torch.rand(3, 4, generator=generator)
    proposals = torch.tensor([[20.0, 15.0, 70.0, 62.0], [22.0, 13.0, 71.0, 60.0], [80.0, 5.0, 120.0, 30.0]])
    deltas = 0.1 * torch.randn(3, 4, 4, generator=generator)
    yield Case(
        (logits, deltas, proposals, (75, 130), 0.125, 0.5, 20), "a rider on a horse: two classes in one place"
    )


def _border(generator: torch.Generator) -> Iterator[Case]:
    logits = torch.tensor([[0.0, 3.0, 0.0], [0.0, 2.5, 0.0], [0.0, 0.0, 3.0], [0.0, 1.0, 2.0]])
    proposals = torch.tensor([[-40.0, 10, 30, 50], [-2, 11, 31, 49], [70, 30, 130, 90], [20, 40, 45, 75]])
    deltas = 0.2 * torch.randn(4, 3, 4, generator=generator)
    yield Case(
        (logits, deltas, proposals, (60, 100), 0.125, 0.5, 20), "boxes that reach beyond a 60 x 100 image"
    )


def _nothing(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_scene(generator, (90, 140)), 0.999, 0.5, 50), "no score above the threshold")
    none = (torch.zeros(0, 3), torch.zeros(0, 3, 4), torch.zeros(0, 4), (90, 140))
    yield Case((*none, 0.125, 0.5, 50), "no proposal at all")


def _zero_threshold(generator: torch.Generator) -> Iterator[Case]:
    logits = torch.tensor([[0.0, 2.0, -200.0], [1.0, -200.0, 0.5], [-200.0, 0.25, 1.0]])
    proposals = torch.tensor([[10.0, 5, 40, 30], [50, 20, 90, 44], [15, 40, 33, 70]])
    deltas = 0.3 * torch.randn(3, 3, 4, generator=generator)
    yield Case(
        (logits, deltas, proposals, (75, 110), 0.0, 0.5, 50),
        "a threshold of 0, and scores that are exactly 0",
    )


def _huge(generator: torch.Generator) -> Iterator[Case]:
    proposals = torch.tensor([[70.0, 40.0, 71.0, 41.5], [30.0, 50.0, 32.0, 51.0]])
    deltas = torch.tensor([[0.5, -0.25, 40.0, 30.0], [0.0, 1.0, 60.0, 1000.0]])[:, None].repeat(
        1, 3, 1
    )  # [2, 3, 4]
    logits = torch.randn(2, 3, generator=generator) * 0.2 + torch.tensor([0.0, 1.0, 2.0])
    yield Case(
        (logits, deltas, proposals, (90, 140), 0.125, 0.5, 50), "huge deltas, as from an untrained network"
    )
    logits, *scene = _scene(generator, (90, 140))
    far = torch.where(torch.arange(len(logits)) % 2 == 0, 500.0, -500.0)[:, None]
    yield Case((logits + far, *scene, 0.125, 0.5, 50), "logits around 500 and -500")


def _no_area(generator: torch.Generator) -> Iterator[Case]:
    logits, deltas = torch.tensor([[0.0, 2, -1], [0, 1, 0], [1, 0, 2.5]]), torch.zeros(3, 3, 4)
    proposals = torch.tensor([[-30.0, 5, -10, 25], [-31.0, 6, -9, 24], [60, 20, 61, 22.5]])
    note = "boxes wholly outside the image or very small: they have little or no area left, and stay"
    yield Case((logits, deltas, proposals, (60, 100), 0.125, 0.5, 50), note)


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    logits, deltas, proposals, image_size = _scene(generator, (110, 75), 5)
    turned = (logits.T.contiguous().T, deltas.permute(2, 1, 0).contiguous().permute(2, 1, 0))
    arguments = (*turned, proposals.T.contiguous().T, image_size, 0.0625, 0.5, 50)
    yield Case(arguments, "tensors whose memory is not contiguous")


def _random(generator: torch.Generator) -> Iterator[Case]:
    for classes, objects in ((2, 3), (6, 5), (9, 8)):
        height, width = (torch.randint(60, 200, (2,), generator=generator)).tolist()
        scene = _scene(generator, (height, width), classes, objects)
        yield Case(
            (*scene, 0.0625, 0.375, 12), f"{objects} objects and {classes} classes in {height} x {width}"
        )


# --- what is asked of the detections --------------------------------------------------------------------------


def _judge(case: Case, result: Any, expected: Detections) -> Mismatch | None:
    """Detection by detection, in words: a difference of shapes would say nothing about the one too many."""
    message = _form(result, expected) or _difference(case, result, expected)
    return Mismatch(message) if message else None


def _form(result: Any, expected: Detections) -> str:
    parts = result if isinstance(result, (tuple, list)) else ()
    if len(parts) != 3 or not all(isinstance(part, Tensor) for part in parts):
        return "the result must be a tuple of three tensors: boxes, scores, labels."
    shapes = [list(part.shape) for part in result]
    if shapes != [[shapes[1][0] if shapes[1] else -1, 4], shapes[1], shapes[1]] or len(shapes[1]) != 1:
        return f"boxes, scores and labels have the shapes {shapes}; they must be [D, 4], [D] and [D]."
    for name, part, wanted in zip(("boxes", "scores", "labels"), result, expected, strict=True):
        if part.dtype != wanted.dtype:
            return f"{name} has dtype {str(part.dtype)[6:]}, but must be {str(wanted.dtype)[6:]}."
    return ""


def _difference(case: Case, result: Detections, expected: Detections) -> str:
    yours, theirs = (
        list(zip(*(part.tolist() for part in found), strict=True)) for found in (result, expected)
    )
    same = len(yours) == len(theirs)
    count = "" if same else f" (you return {len(yours)} detections, expected are {len(theirs)})"
    for i, (mine, right) in enumerate(zip_longest(yours, theirs)):
        if mine is None:
            return f"detection {i} is missing{count}.\nexpected  {_words(case, *right)}"
        if right is None:
            return f"detection {i} is one too many{count}.\nyours     {_words(case, *mine)}"
        sides = zip(mine[0], right[0], strict=True)
        same_box = all(math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-3) for a, b in sides)
        if not (same_box and math.isclose(mine[1], right[1], rel_tol=1e-4) and mine[2] == right[2]):
            pair = f"yours     {_words(case, *mine)}\nexpected  {_words(case, *right)}"
            return f"detection {i} differs{count}.\n{pair}"
    return ""


def _words(case: Case, box: list[float], score: float, label: int) -> str:
    """The detection, with the RoI that has such a score for the class."""
    of_class = (
        case.arguments[0].softmax(1).T[label : label + 1] if label >= 0 else torch.zeros(0)
    )  # [1 or 0, R]
    fits = torch.where((of_class - score).abs() < 1e-5)[-1]
    roi = f" of RoI {int(fits[0])}" if len(fits) else ""
    return f"class {label}{roi}, score {score:.4f}, box ({', '.join(f'{side:.4g}' for side in box)})"


# --- one detector, many ways to write its parts wrong ---------------------------------------------------------


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def _by_class(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """NMS within each class; the kept rows in no particular order."""
    rows = [torch.where(labels == label)[0] for label in labels.unique()]
    return torch.cat([labels[:0], *(row[nms(boxes[row], scores[row], threshold)] for row in rows)])


def _best_first(boxes: Tensor, scores: Tensor, labels: Tensor, limit: int) -> Tensor:
    return scores.argsort(descending=True, stable=True)[:limit]


def _detector(
    score: Callable[[Tensor], Tensor] = _softmax,
    decode: Callable[[Tensor, Tensor], Tensor] = lambda deltas, proposals: decode_boxes(
        deltas, proposals, HEAD_WEIGHTS
    ),
    clip: Callable[[Tensor, Size], Tensor] = clip_boxes,
    clip_at_end: Callable[[Tensor, Size], Tensor] = lambda boxes, image_size: boxes,
    first_class: int = 1,
    passes: Callable[[Tensor, float], Tensor] = lambda scores, threshold: scores > threshold,
    suppress: Callable[[Tensor, Tensor, Tensor, float], Tensor] = _by_class,
    best: Callable[[Tensor, Tensor, Tensor, int], Tensor] = _best_first,
    name: Callable[[Tensor], Tensor] = lambda labels: labels,
) -> Callable[..., Detections]:
    """All (RoI, class) pairs in one list; every step that makes detections of it can be another one."""

    def detect(
        logits: Tensor,
        deltas: Tensor,
        proposals: Tensor,
        image_size: Size,
        low: float,
        overlap: float,
        limit: int,
    ) -> Detections:
        all_scores = score(logits)  # [R, K]
        all_boxes = clip(decode(deltas, proposals), image_size)  # [R, K, 4]
        roi, label = torch.where(passes(all_scores[:, first_class:], low))
        label = label + first_class
        boxes, scores = all_boxes[roi, label], all_scores[roi, label]
        kept = suppress(boxes, scores, label, overlap)
        boxes, scores, labels = boxes[kept], scores[kept], label[kept]
        kept = best(boxes, scores, labels, limit)
        return clip_at_end(boxes[kept], image_size), scores[kept], name(labels[kept])

    return detect


def _unclipped(boxes: Tensor, image_size: Size) -> Tensor:
    return boxes


def _best_class_only(logits: Tensor) -> Tensor:
    scores = logits.softmax(1)
    return scores * (scores == scores.amax(1, keepdim=True))


def _candidates_not_looked_up(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    rows = [torch.where(labels == label)[0] for label in labels.unique()]
    return torch.cat([labels[:0], *(nms(boxes[row], scores[row], threshold) for row in rows)])


def _limit_in_each_class(boxes: Tensor, scores: Tensor, labels: Tensor, limit: int) -> Tensor:
    order = scores.argsort(descending=True, stable=True)
    rank = (labels[order][:, None] == labels[order]).tril(-1).sum(1)  # better ones of the same class
    return order[rank < limit]


def _large_enough(boxes: Tensor, scores: Tensor, labels: Tensor, limit: int) -> Tensor:
    order = _best_first(boxes, scores, labels, len(boxes))
    return order[((boxes[order, 2:] - boxes[order, :2]) >= 1).all(1)][:limit]


# --- right ones, written differently ------------------------------------------------------------------------


def _class_by_class(
    logits: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    image_size: Size,
    low: float,
    overlap: float,
    limit: int,
) -> Detections:
    """A loop over the classes, with everything from scratch and greedy suppression spelt out."""
    height, width = image_size
    scores = logits.log_softmax(1).exp()  # [R, K]
    found = []
    for label in range(1, logits.shape[1]):
        kept: list[Tensor] = []
        for r in scores[:, label].argsort(descending=True).tolist():
            if scores[r, label] <= low:
                break
            x1, y1, x2, y2 = proposals[r].tolist()
            dx, dy, dw, dh = deltas[r, label].tolist()
            w, h = x2 - x1, y2 - y1
            x, y = x1 + w / 2 + dx / 10 * w, y1 + h / 2 + dy / 10 * h
            most = math.log(1000 / 16)
            w, h = w * math.exp(min(dw / 5, most)), h * math.exp(min(dh / 5, most))
            corners = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
            sides = (width, height, width, height)
            box = proposals.new_tensor(
                [min(max(c, 0.0), side) for c, side in zip(corners, sides, strict=True)]
            )
            if all(float(box_iou(box[None], other[None])) <= overlap for other in kept):
                kept.append(box)
                found.append((float(scores[r, label]), label, box))
    found = sorted(found, key=lambda detection: -detection[0])[:limit]
    boxes = torch.stack([box for _, _, box in found]) if found else proposals[:0]
    labels = torch.tensor([label for _, label, _ in found], dtype=torch.int64, device=proposals.device)
    return boxes, scores.new_tensor([score for score, _, _ in found]), labels


def _by_moving_classes_apart(
    logits: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    image_size: Size,
    low: float,
    overlap: float,
    limit: int,
) -> Detections:
    """One NMS for all classes: clipped boxes of different classes are moved so far apart that they never meet."""
    scores = logits.softmax(1)[:, 1:].flatten()  # [R (K - 1)]
    boxes = clip_boxes(decode_boxes(deltas, proposals, HEAD_WEIGHTS), image_size)[:, 1:].flatten(0, 1)
    labels = torch.arange(1, logits.shape[1], device=scores.device).repeat(len(proposals))
    chosen = torch.where(scores > low)[0]
    apart = boxes[chosen].double() + 2.0 * max(image_size) * labels[chosen, None]
    kept = chosen[nms(apart, scores[chosen], overlap)[:limit]]
    return boxes[kept], scores[kept], labels[kept]


EXERCISE = Exercise(
    name="detect",
    number=35,
    lab="05_fast_rcnn",
    task="Turn class scores and deltas of one image into its final list of detections.",
    difficulty=4,
    importance=4,
    minutes=30,
    oracle=reference,
    judge=_judge,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary scenes", _ordinary),
        Family("limit", _limit),
        Family("two classes in one place", _rider),
        Family("beyond the border", _border),
        Family("nothing found", _nothing),
        Family("threshold of zero", _zero_threshold, hidden=True),
        Family("huge deltas and logits", _huge, hidden=True),
        Family("little or no area", _no_area, hidden=True),
        Family("memory layout", _memory_layout, hidden=True),
        Family("random scenes", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "background detected",
            _detector(first_class=0),
            "Class 0 is background, which nobody wants to see: begin with class 1.",
        ),
        Misconception(
            "best class only",
            _detector(score=_best_class_only),
            "A RoI may hold two detections: keep every class whose score passes the threshold, not only the argmax.",
        ),
        Misconception(
            "NMS across classes",
            _detector(suppress=lambda boxes, scores, labels, threshold: nms(boxes, scores, threshold)),
            "Run NMS for each class apart: a horse must not suppress its rider.",
        ),
        Misconception(
            "no NMS",
            _detector(
                suppress=lambda boxes, scores, labels, threshold: torch.arange(
                    len(boxes), device=boxes.device
                )
            ),
            "Many RoIs find the same object: run NMS on each class's boxes.",
        ),
        Misconception(
            "NMS indices not looked up",
            _detector(suppress=_candidates_not_looked_up),
            "nms numbers the boxes you gave it: look its result up in the candidates, candidate[kept].",
        ),
        Misconception(
            "boxes not clipped",
            _detector(clip=_unclipped),
            "Clip the decoded boxes to the image: clip_boxes(boxes, image_size).",
        ),
        Misconception(
            "height and width swapped",
            _detector(clip=lambda boxes, image_size: clip_boxes(boxes, (image_size[1], image_size[0]))),
            "image_size is (height, width): x is clipped to image_size[1], y to image_size[0].",
        ),
        Misconception(
            "clipped after NMS",
            _detector(clip=_unclipped, clip_at_end=clip_boxes),
            "Clip before NMS: what lies outside the image must not count in the overlap.",
        ),
        Misconception(
            "proposals not decoded",
            _detector(decode=lambda deltas, proposals: proposals[:, None].expand_as(deltas)),
            "The deltas move the proposals: decode_boxes(deltas, proposals, (10, 10, 5, 5)).",
        ),
        Misconception(
            "deltas not unweighted",
            _detector(decode=lambda deltas, proposals: decode_boxes(deltas, proposals, (1.0, 1.0, 1.0, 1.0))),
            "The head's deltas carry the weights (10, 10, 5, 5): decode with the same ones.",
        ),
        Misconception(
            "one box for all classes",
            _detector(
                decode=lambda d, proposals: decode_boxes(d[:, :1].expand_as(d), proposals, HEAD_WEIGHTS)
            ),
            "Every class has its own deltas: class k's box comes from deltas[:, k].",
        ),
        Misconception(
            "sigmoid instead of softmax",
            _detector(score=torch.sigmoid),
            "The classes exclude each other: scores are class_logits.softmax(1).",
        ),
        Misconception(
            "softmax overflows",
            _detector(score=lambda logits: logits.exp() / logits.exp().sum(1, keepdim=True)),
            "exp(500) is infinite: use class_logits.softmax(1), which subtracts each row's maximum first.",
        ),
        Misconception(
            "softmax over the RoIs",
            _detector(score=lambda logits: logits.softmax(0)),
            "The scores of one RoI add up to 1: softmax over dimension 1, the classes.",
        ),
        Misconception(
            "logits taken for scores",
            _detector(score=lambda logits: logits),
            "The threshold is a probability: apply softmax(1) to the logits first.",
        ),
        Misconception(
            "score at the threshold kept",
            _detector(passes=lambda scores, threshold: scores >= threshold),
            "A detection scores more than the threshold: use >, not >=.",
        ),
        Misconception(
            "limit in each class",
            _detector(best=_limit_in_each_class),
            "The limit holds for the image: cut once, after the classes have been joined and sorted.",
        ),
        Misconception(
            "cut before sorting",
            _detector(best=lambda boxes, scores, labels, limit: scores[:limit].argsort(descending=True)),
            "Sort all detections by score first and cut then, or the last classes lose.",
        ),
        Misconception(
            "class by class, not sorted",
            _detector(
                best=lambda boxes, scores, labels, limit: torch.arange(len(boxes), device=boxes.device)[
                    :limit
                ]
            ),
            "Join the classes into one list by decreasing score: scores.argsort(descending=True).",
        ),
        Misconception(
            "limit forgotten",
            _detector(best=lambda boxes, scores, labels, limit: scores.argsort(descending=True)),
            "Return at most `limit` detections, the best ones: cut the sorted list with [:limit].",
        ),
        Misconception(
            "worst first",
            _detector(best=lambda boxes, scores, labels, limit: scores.argsort()[:limit]),
            "argsort() puts the smallest first: use argsort(descending=True).",
        ),
        Misconception(
            "small boxes dropped",
            _detector(best=_large_enough),
            "Detections have no minimum size; that filter belongs to the RPN's proposals.",
        ),
        Misconception(
            "labels counted from 0",
            _detector(name=lambda labels: labels - 1),
            "Labels keep their numbers, classes from 1: cutting the background off shifts them, so add 1 again.",
        ),
        Misconception(
            "new tensors on the CPU",
            _detector(name=lambda labels: labels.cpu()[torch.arange(len(labels), device=labels.device)]),
            "torch.full, torch.tensor and torch.arange make CPU tensors: give them device=proposals.device, "
            "or use torch.full_like(kept, label).",
        ),
        Misconception(
            "labels from a list",
            _detector(name=lambda labels: torch.tensor(labels.tolist())),
            "torch.tensor(list) lives on the CPU, and an empty list gives float32: use torch.full_like(kept, label).",
        ),
    ),
    right_variants=(_detector(), _class_by_class, _by_moving_classes_apart),
    hints=(
        "Scores are class_logits.softmax(1), [R, K]. decode_boxes(deltas, proposals, (10, 10, 5, 5)) gives every "
        "class's box at once, [R, K, 4]; clip_boxes takes them as they are.",
        "Loop over the classes 1 ... K - 1: candidate = torch.where(scores[:, k] > score_threshold)[0], then "
        "kept = candidate[nms(boxes[candidate, k], scores[candidate, k], nms_threshold)].",
        "Collect boxes[kept, k], scores[kept, k] and torch.full_like(kept, k), join each with torch.cat, sort by "
        "score and take the first `limit`. With nothing found the shapes are [0, 4], [0] and [0].",
    ),
)
