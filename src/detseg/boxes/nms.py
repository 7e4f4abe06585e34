"""Greedy non-maximum suppression: keep the best box, drop what overlaps it, repeat."""

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes
from detseg.boxes.iou import box_iou


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, block: int = 256) -> Tensor:
    """Greedy non-maximum suppression of one class's boxes.

    The loop "take the best box left, drop all whose IoU with it exceeds the threshold" is right and slow.
    Here the same answer comes by blocks in score order: first drop what a kept box of an earlier block
    overlaps, then settle the rest of the block among themselves.

    Args:
        boxes: ``[N, 4]`` as (x1, y1, x2, y2), pixels. A box without area is legal: it suppresses nothing.
        scores: ``[N]``; of equal scores the earlier index wins.
        iou_threshold: a box is dropped if its IoU with a kept, better one is strictly above this.
        block: how many boxes are settled at once; the result does not depend on it.

    Returns:
        int64 ``[M]``: the kept indices by decreasing score.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; scores of another length or with a NaN; a
            threshold outside [0, 1].
    """
    check_boxes(boxes)
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f"scores must be [{len(boxes)}], one for each box, got {list(scores.shape)}")
    if scores.isnan().any():
        raise ValueError(f"scores[{int(scores.isnan().nonzero()[0])}] is NaN: it cannot be ranked")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must be in [0, 1], got {iou_threshold}")
    order = scores.argsort(descending=True, stable=True)  # [N]
    kept = order[:0]
    for candidates in order.split(block):
        overlapped = (box_iou(boxes[kept], boxes[candidates]) > iou_threshold).any(0)  # [block]
        candidates = candidates[~overlapped]
        kept = torch.cat([kept, candidates[_survivors(boxes[candidates], iou_threshold)]])
    return kept


def _survivors(boxes: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes greedy suppression keeps, for boxes ``[B, 4]`` in score order: bool ``[B]``.

    Greedy suppression means "kept if no kept box before me overlaps me". Start with all kept and apply that
    sentence until nothing changes: after step k the first k boxes are final, and a few steps nearly always
    settle the block.
    """
    overlaps = (
        (box_iou(boxes, boxes) > iou_threshold).float().triu(diagonal=1)
    )  # [B, B]: row is before column
    kept = overlaps.new_ones(len(boxes))  # [B]
    while True:
        again = (kept @ overlaps == 0).float()  # how many kept boxes before me overlap me: none
        if torch.equal(again, kept):
            return kept.bool()
        kept = again
