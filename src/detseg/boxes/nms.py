"""Greedy non-maximum suppression: keep the best box, drop what overlaps it, repeat."""

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes, check_scores
from detseg.boxes.iou import iou_of_sides
from detseg.tensors import exact

BLOCK = 1024
"""How many boxes are settled at once; the result does not depend on it."""

FEW = 128
"""Up to so many boxes it takes less time to compare all pairs than to find those that can overlap."""


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
    if len(boxes) > FEW and torch.less(*boxes[:, :2].double().std(0)):
        boxes = boxes[:, [1, 0, 3, 2]]  # compared from top to bottom, where they spread more
    kept = order[:0]
    for candidates in order.split(BLOCK):
        if len(kept):
            free = torch.ones_like(candidates, dtype=torch.bool)
            free[_overlapping(boxes[kept], boxes[candidates], iou_threshold)[1]] = False
            free[_overlapping(boxes[candidates], boxes[kept], iou_threshold)[0]] = False
            candidates = candidates[free]
        kept = torch.cat([kept, candidates[_survivors(boxes[candidates], iou_threshold)]])
    return kept


def _overlapping(boxes: Tensor, others: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor]:
    """The pairs ``(i, j)``, int64 ``[P]`` each, in which ``others[j]`` starts within ``boxes[i]`` and overlaps it.

    Of few boxes it is all pairs that overlap. Of many: two boxes with an IoU above t share more than t of each one's
    width. So one that starts within the other, from left to right, does so in its first 1 - t; with the boxes sorted
    by where they start, few pairs are left to compare.
    """
    if len(boxes) * len(others) <= FEW**2:
        i, j = torch.where(iou_of_sides(boxes.T[:, :, None], others.T[:, None]) > iou_threshold)
        return i, j
    share = 1.001 - iou_threshold  # a little more, for rounding
    starts, order = others[:, 0].double().sort()  # [M]
    left, right = boxes[:, 0::2].double().T.contiguous()  # 2 x [N]
    first = torch.searchsorted(starts, left)
    count = (torch.searchsorted(starts, left + share * (right - left)) - first).clamp(min=0)  # [N]
    i = torch.arange(len(boxes), device=boxes.device).repeat_interleave(count)  # [pairs to compare]
    before = count.cumsum(0) - count  # [N]
    j = order[torch.arange(len(i), device=boxes.device) + (first - before)[i]]
    sides, other_sides = boxes.T.contiguous(), others.T.contiguous()  # [4, N], [4, M]
    enough = iou_of_sides(sides[:, i], other_sides[:, j]) > iou_threshold
    return i[enough], j[enough]


def _survivors(boxes: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes greedy suppression keeps, for boxes ``[B, 4]`` in score order: bool ``[B]``.

    Greedy suppression means "kept if no kept box before me overlaps me". Start with all kept and apply that
    sentence until nothing changes: after step k the first k boxes are final, and a few steps nearly always
    settle the block.
    """
    i, j = _overlapping(boxes, boxes, iou_threshold)
    better, worse = torch.minimum(i, j)[i != j], torch.maximum(i, j)[i != j]  # [P]
    kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    while True:
        again = torch.ones_like(kept)
        again[worse[kept[better]]] = False
        if torch.equal(again, kept):
            return kept
        kept = again
