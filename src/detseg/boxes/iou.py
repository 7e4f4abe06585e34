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
    return torch.cat([pairwise_iou(some, boxes2) for some in boxes1.split(rows)])


def pairwise_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """:func:`box_iou` itself, for checked boxes and not too many pairs.

    One column of the boxes at a time, so no ``[N, M, 2]`` temporary is made, and in place where nothing is lost.
    """
    left1, top1, right1, bottom1 = boxes1.T[:, :, None].unbind()  # 4 x [N, 1]
    left2, top2, right2, bottom2 = boxes2.T[:, None, :].unbind()  # 4 x [1, M]
    width = torch.minimum(right1, right2).sub_(torch.maximum(left1, left2)).clamp_(min=0)  # [N, M]
    height = torch.minimum(bottom1, bottom2).sub_(torch.maximum(top1, top2)).clamp_(min=0)  # [N, M]
    intersection = width.mul_(height)  # [N, M]
    area1 = (right1 - left1) * (bottom1 - top1)  # [N, 1]
    area2 = (right2 - left2) * (bottom2 - top2)  # [1, M]
    union = (area1 + area2).sub_(intersection)  # [N, M]
    return intersection.div_(union).nan_to_num_(nan=0.0)  # 0 / 0: two boxes without area
