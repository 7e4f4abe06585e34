"""Intersection over union of boxes: the overlap behind matching, NMS and every detection metric."""

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes
from detseg.tensors import check_tensors, exact

PAIRS = 65536
"""Pairs computed at a time: their temporaries stay in the processor's cache, which is what the time goes into."""


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of every pair of boxes.

    Args:
        boxes1: ``[N, 4]`` as (x1, y1, x2, y2), pixels. A box without area is legal and overlaps nothing.
        boxes2: ``[M, 4]``, likewise.

    Returns:
        ``[N, M]`` in [0, 1]: row i compares ``boxes1[i]`` with each of ``boxes2``. Exactly 0, never NaN,
        where the intersection is 0. Half precision and integers are computed, and returned, in float32.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`.
    """
    check_boxes(boxes1, "boxes1")
    check_boxes(boxes2, "boxes2")
    check_tensors(boxes1=boxes1, boxes2=boxes2)
    dtype = exact(boxes1, boxes2)
    boxes1, boxes2 = boxes1.to(dtype), boxes2.to(dtype)
    rows = max(1, PAIRS // max(len(boxes2), 1))
    sides = boxes2.T[:, None, :]  # [4, 1, M]
    return torch.cat([iou_of_sides(some.T[:, :, None], sides) for some in boxes1.split(rows)])


def iou_of_sides(sides1: Tensor, sides2: Tensor) -> Tensor:
    """:func:`box_iou` itself: boxes as ``[4, ...]``, side by side, whose other dimensions broadcast to the result's.

    One side of the boxes at a time, so no ``[N, M, 2]`` temporary is made, and in place where nothing is lost.
    """
    left1, top1, right1, bottom1 = sides1.unbind()
    left2, top2, right2, bottom2 = sides2.unbind()
    width = torch.minimum(right1, right2).sub_(torch.maximum(left1, left2)).clamp_(min=0)  # [...]
    height = torch.minimum(bottom1, bottom2).sub_(torch.maximum(top1, top2)).clamp_(min=0)  # [...]
    intersection = width.mul_(height)  # [...]
    area1 = (right1 - left1) * (bottom1 - top1)
    area2 = (right2 - left2) * (bottom2 - top2)
    union = (area1 + area2).sub_(intersection)  # [...]
    return intersection.div_(union).nan_to_num_(nan=0.0)  # 0 / 0: two boxes without area
