"""Average precision: the area under a detector's precision-recall curve, and its mean over classes."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from detseg.metrics.match_detections import HIT, NOT_COUNTED, match_detections
from detseg.tensors import check_tensors

Method = Literal["voc07", "voc10", "coco"]
Detections = tuple[Tensor, Tensor, Tensor]
"""The detections of one image: boxes ``[N, 4]``, scores ``[N]``, labels int64 ``[N]``."""


def average_precision(recall: Tensor, precision: Tensor, method: Method) -> float:
    """Summarise a precision-recall curve in one number.

    All three methods replace the precision at a recall by the best precision at that recall or beyond.
    ``voc07`` averages it at the 11 recalls 0, 0.1 .. 1; ``coco`` at the 101 recalls 0, 0.01 .. 1; ``voc10``
    takes the whole area.

    Args:
        recall: ``[N]`` after each detection by decreasing score, so never falling; in [0, 1].
        precision: ``[N]``, likewise.
        method: "voc07" (PASCAL VOC until 2009), "voc10" (from 2010) or "coco" (pycocotools' arithmetic).

    Returns:
        The average precision in [0, 1]; 0 for an empty curve.

    Raises:
        TypeError: not tensors.
        ValueError: the two are not one-dimensional of one length, hold a NaN or leave [0, 1], or recall falls; an
            unknown method.
    """
    check_tensors(recall=recall, precision=precision)
    if recall.dim() != 1 or recall.shape != precision.shape:
        raise ValueError(
            f"recall and precision must both be [N], got {list(recall.shape)} and {list(precision.shape)}"
        )
    if recall.isnan().any() or precision.isnan().any():
        raise ValueError("recall and precision must not hold NaN: a class without ground truth has no curve")
    for name, values in (("recall", recall), ("precision", precision)):
        if ((values < 0) | (values > 1)).any():
            raise ValueError(
                f"{name} must lie in [0, 1], got {values.min()} .. {values.max()}: divide the hits"
            )
    if (recall.diff() < 0).any():
        raise ValueError("recall must never fall: sort the detections by decreasing score")
    if method not in ("voc07", "voc10", "coco"):
        raise ValueError(f"method must be 'voc07', 'voc10' or 'coco', got {method!r}")
    if len(recall) == 0:
        return 0.0
    envelope = precision.double().flip(0).cummax(0).values.flip(0)  # [N]: the best precision from here on
    if method == "voc10":
        steps = recall.double().diff(prepend=recall.new_zeros(1, dtype=torch.float64))  # [N]
        return float((steps * envelope).sum())
    if method == "voc07":
        # i / 10 rounded as recall's own dtype rounds 7 hits of 10: the two must compare equal.
        points = torch.arange(11, dtype=recall.dtype, device=recall.device) / 10
    else:
        points = (
            torch.arange(101, dtype=torch.float64, device=recall.device) * 0.01
        )  # numpy.linspace(0, 1, 101)
        recall = recall.double()
    reached = torch.searchsorted(recall.contiguous(), points)  # the first detection with at least that recall
    envelope = torch.cat([envelope, envelope.new_zeros(1)])  # a recall never reached has precision 0
    return float(envelope[reached].mean())


def recall_and_precision(
    outcomes: Sequence[Tensor], scores: Sequence[Tensor], ground_truth: int
) -> tuple[Tensor, Tensor]:
    """The curve of one class over all images: recall and precision after each detection that counts.

    Args:
        outcomes: for each image int64 ``[N_i]`` of hits, misses and what is not counted, best score first.
        scores: for each image the scores ``[N_i]`` in the same order.
        ground_truth: objects to be found, at least 1.

    Returns:
        Two float64 tensors, as long as there are hits and misses.
    """
    order = torch.cat([*scores]).argsort(descending=True, stable=True)  # over all images
    outcome = torch.cat([*outcomes])[order]
    outcome = outcome[outcome != NOT_COUNTED]
    hits = (outcome == HIT).double().cumsum(0)  # [N]
    rank = torch.arange(1, len(hits) + 1, dtype=torch.float64, device=hits.device)
    return hits / ground_truth, hits / rank


def mean_average_precision(
    detections: Sequence[Detections],
    targets: Sequence[Mapping[str, Tensor]],
    num_classes: int,
    iou_threshold: float = 0.5,
    method: Method = "voc10",
) -> tuple[float, list[float]]:
    """Average precision of every class over a whole set of images, and the mean.

    Args:
        detections: ``(boxes, scores, labels)`` for each image.
        targets: for each image a dict with "boxes" ``[G, 4]``, "labels" int64 ``[G]`` and, where there is
            one, "difficult" bool ``[G]``.
        num_classes: K, background included.
        iou_threshold: the IoU a hit needs at least.
        method: see :func:`average_precision`.

    Returns:
        The mean, and the K - 1 classes' values from class 1. A class without (counted) ground truth is NaN
        and left out of the mean; a class without detections is 0. The mean of nothing is NaN.

    Raises:
        ValueError: another number of detections than of targets; see also :func:`match_detections`.
    """
    if len(detections) != len(targets):
        raise ValueError(
            f"one entry for each image is needed, got {len(detections)} and {len(targets)} targets"
        )
    values = [
        _class_average_precision(label, detections, targets, iou_threshold, method)
        for label in range(1, num_classes)
    ]
    present = [value for value in values if value == value]
    return (sum(present) / len(present) if present else float("nan")), values


def _class_average_precision(
    label: int,
    detections: Sequence[Detections],
    targets: Sequence[Mapping[str, Tensor]],
    iou_threshold: float,
    method: Method,
) -> float:
    """Average precision of one class; NaN without ground truth that counts."""
    outcomes, ranked_scores, ground_truth = [], [], 0
    for (boxes, scores, labels), target in zip(detections, targets, strict=True):
        ours, theirs = labels == label, target["labels"] == label
        difficult = target.get("difficult", torch.zeros_like(theirs))[theirs]  # [G]
        outcomes.append(
            match_detections(boxes[ours], scores[ours], target["boxes"][theirs], difficult, iou_threshold)
        )
        ranked_scores.append(scores[ours].sort(descending=True, stable=True).values)
        ground_truth += int((~difficult).sum())
    if ground_truth == 0:
        return float("nan")
    return average_precision(*recall_and_precision(outcomes, ranked_scores, ground_truth), method)
