"""Greedy non-maximum suppression: keep the best box, drop what overlaps it, repeat."""

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes, check_scores
from detseg.boxes.iou import pairwise_iou
from detseg.tensors import exact

BLOCK = 384
"""How many boxes are settled at once; the result does not depend on it."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression of one class's boxes.

    The loop "take the best box left, drop all whose IoU with it exceeds the threshold" is right and slow.
    Here the same answer comes by blocks in score order: first drop what a kept box of an earlier block
    overlaps, then settle the rest of the block among themselves.

    Args:
        boxes: ``[N, 4]`` as (x1, y1, x2, y2), pixels. A box without area is legal: it suppresses nothing.
        scores: ``[N]``; of equal scores the earlier index wins.
        iou_threshold: a box is dropped if its IoU with a kept, better one is strictly above this.

    Returns:
        int64 ``[M]``: the kept indices by decreasing score.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes` and :func:`detseg.boxes.check_scores`; a
            threshold outside [0, 1].
    """
    check_boxes(boxes)
    check_scores(scores, boxes)
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must be in [0, 1], got {iou_threshold}")
    boxes = boxes.to(exact(boxes))
    order = scores.argsort(descending=True, stable=True)  # [N]
    kept = order[:0]
    for candidates in order.split(BLOCK):
        candidates = candidates[~_overlapped(boxes[candidates], boxes[kept], iou_threshold)]
        kept = torch.cat([kept, candidates[_survivors(boxes[candidates], iou_threshold)]])
    return kept


def _overlapped(boxes: Tensor, kept: Tensor, iou_threshold: float, group: int = 48) -> Tensor:
    """Which boxes ``[B, 4]`` overlap one of the kept ``[K, 4]`` by more than the threshold: bool ``[B]``.

    Two boxes with an IoU above t share more than t of the wider one's width, so their left edges are less than
    (1 - t) of it apart. From left to right, a group of boxes needs to meet only a stretch of the kept ones.
    """
    if len(kept) == 0 or len(boxes) == 0:
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    kept = kept[kept[:, 0].argsort()]
    order = boxes[:, 0].argsort()
    boxes = boxes[order]
    share = 1.001 - iou_threshold  # a little more, for rounding
    reach, kept_reach = (share * (b[:, 2] - b[:, 0]).amax().double() for b in (boxes, kept))
    left, kept_left = boxes[:, 0].double(), kept[:, 0].double()
    first = torch.searchsorted(kept_left, left[::group] - kept_reach).tolist()
    last = torch.searchsorted(
        kept_left, torch.cat([left[group - 1 : -1 : group], left[-1:]]) + reach
    ).tolist()
    overlapped = torch.empty_like(order, dtype=torch.bool)
    overlapped[order] = torch.cat(
        [
            (pairwise_iou(kept[i:j], some) > iou_threshold).any(0)
            for some, i, j in zip(boxes.split(group), first, last, strict=True)
        ]
    )
    return overlapped


def _survivors(boxes: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes greedy suppression keeps, for boxes ``[B, 4]`` in score order: bool ``[B]``.

    Greedy suppression means "kept if no kept box before me overlaps me". Start with all kept and apply that
    sentence until nothing changes: after step k the first k boxes are final, and a few steps nearly always
    settle the block.
    """
    overlap = pairwise_iou(boxes, boxes) > iou_threshold  # [B, B]
    overlaps = overlap.float().triu(diagonal=1)  # a row's box comes before its column's
    kept = overlaps.new_ones(len(boxes))  # [B]
    while True:
        again = (kept @ overlaps == 0).float()  # how many kept boxes before me overlap me: none
        if torch.equal(again, kept):
            return kept.bool()
        kept = again
