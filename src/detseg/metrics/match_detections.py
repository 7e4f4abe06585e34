"""Which detections of an image are hits (the PASCAL VOC rule, Everingham et al. 2010, section 4.2)."""

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes, check_scores
from detseg.boxes.iou import box_iou
from detseg.tensors import check_tensors

HIT, MISS, NOT_COUNTED = 1, 0, -1


def match_detections(
    boxes: Tensor, scores: Tensor, gt_boxes: Tensor, difficult: Tensor, iou_threshold: float = 0.5
) -> Tensor:
    """Judge the detections of one class in one image, best score first.

    Each detection looks at the one ground-truth box it overlaps most. It hits if the IoU reaches the
    threshold and no better detection took that box; a second detection of a box is a miss. A box marked
    difficult neither counts as found nor punishes those who find it.

    Args:
        boxes: ``[N, 4]`` detections (x1, y1, x2, y2), pixels.
        scores: ``[N]``; of equal scores the earlier detection goes first.
        gt_boxes: ``[G, 4]``.
        difficult: bool ``[G]``.
        iou_threshold: the IoU a hit needs at least.

    Returns:
        int64 ``[N]`` in order of decreasing score: 1 hit, 0 miss, -1 not counted.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; scores or ``difficult`` of another
            length; ``difficult`` that is not bool; a NaN score.
    """
    check_boxes(boxes)
    check_boxes(gt_boxes, "gt_boxes")
    check_scores(scores, boxes)
    check_tensors(boxes=boxes, gt_boxes=gt_boxes, difficult=difficult)
    if difficult.dtype != torch.bool:
        raise TypeError(f"difficult must be bool, got {difficult.dtype}: convert with .bool()")
    if difficult.shape != gt_boxes.shape[:1]:
        raise ValueError(
            f"difficult must be [{len(gt_boxes)}], one for each gt box, got {list(difficult.shape)}"
        )
    outcome = torch.full((len(boxes),), MISS, dtype=torch.int64, device=boxes.device)
    if len(boxes) == 0 or len(gt_boxes) == 0:
        return outcome
    order = scores.argsort(descending=True, stable=True)  # [N]
    best_iou, best_gt = box_iou(boxes[order], gt_boxes).max(dim=1)  # 2 x [N]
    overlapping, gt, is_difficult = (best_iou >= iou_threshold).tolist(), best_gt.tolist(), difficult.tolist()
    taken = set()
    for rank in range(len(boxes)):
        if not overlapping[rank]:
            continue
        if is_difficult[gt[rank]]:
            outcome[rank] = NOT_COUNTED
        elif gt[rank] not in taken:
            outcome[rank] = HIT
            taken.add(gt[rank])
    return outcome
