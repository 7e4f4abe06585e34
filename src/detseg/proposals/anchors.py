"""Anchors: the reference boxes of a region proposal network (Faster R-CNN, Ren et al. 2015, section 3.1.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from detseg.boxes.coding import encode_boxes
from detseg.boxes.geometry import check_boxes
from detseg.boxes.iou import box_iou
from detseg.proposals.matching import match_boxes
from detseg.tensors import exact


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """The anchors of one cell, centred on (0, 0) and not rounded.

    Args:
        sizes: square roots of the areas, pixels.
        ratios: heights divided by widths.

    Returns:
        float32 ``[A, 4]`` as (x1, y1, x2, y2); all sizes of the first ratio come first.

    Raises:
        ValueError: no sizes or ratios, or one that is not positive.
    """
    if len(sizes) == 0 or len(ratios) == 0 or not all(number > 0 for number in (*sizes, *ratios)):
        raise ValueError(f"sizes and ratios must be positive, at least one of each, got {sizes} and {ratios}")
    size = torch.tensor(sizes, dtype=torch.float32)
    root = torch.tensor(ratios, dtype=torch.float32).sqrt()[:, None]  # [ratios, 1]
    half = (
        torch.stack([size / root, size * root], dim=-1).reshape(-1, 2) / 2
    )  # [A, 2]: half the width and height
    return torch.cat([-half, half], dim=1)  # [A, 4]


def grid_anchors(feature_size: tuple[int, int], stride: int, cell: Tensor) -> Tensor:
    """One cell's anchors at the centre of every cell of a feature map.

    Args:
        feature_size: ``(height, width)`` of the map, cells.
        stride: pixels per cell.
        cell: ``[A, 4]`` from :func:`cell_anchors`.

    Returns:
        ``[height x width x A, 4]`` in pixels, in order of row, column, anchor; on the device and in the dtype of
        ``cell`` (float32 if those are integers).

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; a stride that is not positive, a negative size.
    """
    check_boxes(cell, "cell")
    if stride <= 0:
        raise ValueError(f"stride must be positive, got {stride}")
    if len(feature_size) != 2 or min(feature_size) < 0:
        raise ValueError(f"feature_size must be (height, width), not negative, got {tuple(feature_size)}")
    dtype = exact(cell)
    y, x = ((torch.arange(n, device=cell.device, dtype=dtype) + 0.5) * stride for n in feature_size)
    centre_y, centre_x = torch.meshgrid(y, x, indexing="ij")  # 2 x [height, width]
    centre = torch.stack([centre_x, centre_y, centre_x, centre_y], dim=-1)  # [height, width, 4]
    anchors = (centre[:, :, None] + cell).reshape(-1, 4)  # [height, width, A, 4] -> [height x width x A, 4]
    return anchors.to(cell.dtype) if cell.is_floating_point() else anchors


def assign_anchors(
    anchors: Tensor, gt_boxes: Tensor, high: float = 0.7, low: float = 0.3
) -> tuple[Tensor, Tensor]:
    """What each anchor should say: which object it stands for, and how to move onto it.

    Args:
        anchors: ``[N, 4]`` as (x1, y1, x2, y2), pixels.
        gt_boxes: ``[G, 4]``.
        high: IoU from which an anchor is positive; the best anchor of each object is positive anyway.
        low: IoU below which it is background; between the two it is ignored.

    Returns:
        matched int64 ``[N]`` (see :func:`detseg.proposals.match_boxes`) and target_deltas float32 ``[N,
        4]``, coded with weights 1; 0 at anchors that are not positive.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes` and :func:`detseg.boxes.encode_boxes`.
    """
    check_boxes(anchors, "anchors")
    check_boxes(gt_boxes, "gt_boxes")
    matched = match_boxes(box_iou(gt_boxes, anchors), high, low, force_best=True)  # [N]
    positive = torch.where(matched >= 0)[0]
    target_deltas = anchors.new_zeros(len(anchors), 4, dtype=torch.float32)
    target_deltas[positive] = encode_boxes(
        gt_boxes[matched[positive]], anchors[positive], (1.0, 1.0, 1.0, 1.0)
    )
    return matched, target_deltas
