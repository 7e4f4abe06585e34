"""Mean average precision of instance masks (Hariharan et al. 2014; Mask R-CNN, He et al. 2017, section 4)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from detseg.metrics.average_precision import Method, average_precision, recall_and_precision
from detseg.metrics.mask_iou import mask_iou
from detseg.metrics.match_detections import HIT, MISS


def mask_average_precision(
    detections: Sequence[tuple[Tensor, Tensor, Tensor]],
    targets: Sequence[Mapping[str, Tensor]],
    num_classes: int,
    iou_threshold: float = 0.5,
    method: Method = "voc10",
) -> tuple[float, list[float]]:
    """What :func:`detseg.metrics.mean_average_precision` is for boxes, with the IoU of masks instead.

    Args:
        detections: ``(masks bool [D, H, W], scores [D], labels [D])`` for each image.
        targets: for each image a dict with "instance_masks" bool ``[G, H, W]`` and "labels" int64 ``[G]``.
        num_classes: K, background included.
        iou_threshold: the IoU a hit needs at least.
        method: see :func:`detseg.metrics.average_precision`.

    Returns:
        The mean, and the K - 1 classes' values from class 1; NaN for a class without ground truth, which is
        left out of the mean.

    Raises:
        ValueError: another number of detections than of targets.
    """
    if len(detections) != len(targets):
        raise ValueError(
            f"one entry for each image is needed, got {len(detections)} and {len(targets)} targets"
        )
    values = [_of_class(label, detections, targets, iou_threshold, method) for label in range(1, num_classes)]
    present = [value for value in values if value == value]
    return (sum(present) / len(present) if present else float("nan")), values


def _of_class(
    label: int,
    detections: Sequence[tuple[Tensor, Tensor, Tensor]],
    targets: Sequence[Mapping[str, Tensor]],
    iou_threshold: float,
    method: Method,
) -> float:
    outcomes, ranked_scores, ground_truth = [], [], 0
    for (masks, scores, labels), target in zip(detections, targets, strict=True):
        gt_masks = target["instance_masks"][target["labels"] == label]
        scores, order = scores[labels == label].sort(descending=True, stable=True)
        outcomes.append(_hits(mask_iou(masks[labels == label][order], gt_masks), iou_threshold))
        ranked_scores.append(scores)
        ground_truth += len(gt_masks)
    if ground_truth == 0:
        return float("nan")
    return average_precision(*recall_and_precision(outcomes, ranked_scores, ground_truth), method)


def _hits(iou: Tensor, iou_threshold: float) -> Tensor:
    """Hits and misses ``[N]`` for ``iou [N, G]`` in score order: each looks at its best mask only, once each."""
    outcome = torch.full((len(iou),), MISS, dtype=torch.int64, device=iou.device)
    if iou.shape[1] == 0:
        return outcome
    best_iou, best_gt = iou.max(dim=1)
    taken: set[int] = set()
    for rank, (overlap, gt) in enumerate(zip(best_iou.tolist(), best_gt.tolist(), strict=True)):
        if overlap >= iou_threshold and gt not in taken:
            outcome[rank] = HIT
            taken.add(gt)
    return outcome
