"""Boxes as tensors: the two formats, clipping, and the check every operation makes on the boxes it is given.

A box is (x1, y1, x2, y2) in continuous image coordinates: pixel (row r, column c) covers [c, c + 1] x [r, r
+ 1], so a box's width is x2 - x1, with no "+1". See ``docs/conventions.md``.
"""

import torch
from torch import Tensor

from detseg.tensors import check_tensors, exact


def check_boxes(boxes: Tensor, name: str = "boxes", columns: int = 4, positive: bool = False) -> None:
    """Refuse anything but finite boxes ``[N, columns]``; coordinates are the last four columns.

    Args:
        boxes: what should be ``[N, 4]`` (or ``[R, 5]`` RoIs, batch index first, with ``columns=5``).
        name: the word for it in the error.
        columns: 4 for boxes, 5 for RoIs.
        positive: also refuse boxes without a positive width and height.

    Raises:
        TypeError: not a tensor, or complex or bool.
        ValueError: another shape, a NaN or infinite coordinate, or (``positive``) x2 <= x1 or y2 <= y1.
    """
    check_tensors(**{name: boxes})
    if boxes.dtype == torch.bool or boxes.is_complex():
        raise TypeError(f"{name} must hold real numbers, got {boxes.dtype}: convert with .float()")
    if boxes.dim() != 2 or boxes.shape[1] != columns:
        order = "(x1, y1, x2, y2)" if columns == 4 else "(batch index, x1, y1, x2, y2)"
        fix = f", use .reshape(-1, {columns})" if boxes.numel() == 0 else ""
        raise ValueError(f"{name} must be [N, {columns}] {order}, got {list(boxes.shape)}{fix}")
    finite = boxes.isfinite()
    if not finite.all():
        row = int((~finite).any(1).nonzero()[0])
        raise ValueError(f"{name}[{row}] is not finite: {boxes[row].tolist()}; remove or repair it first")
    if positive:
        empty = (boxes[:, -2:] <= boxes[:, -4:-2]).any(1)  # [N]
        if empty.any():
            row = int(empty.nonzero()[0])
            raise ValueError(
                f"{name}[{row}] has no positive width and height: {boxes[row].tolist()}; "
                "order the corners so that x2 > x1 and y2 > y1, or remove it"
            )


def check_scores(scores: Tensor, boxes: Tensor) -> None:
    """Refuse anything but scores ``[N]`` of the boxes ``[N, 4]`` that can be ranked.

    Raises:
        TypeError: not a tensor, or bool or complex.
        ValueError: another length or device; a NaN.
    """
    check_tensors(boxes=boxes, scores=scores)
    if scores.dtype == torch.bool or scores.is_complex():
        raise TypeError(f"scores must hold real numbers, got {scores.dtype}: convert with .float()")
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f"scores must be [{len(boxes)}], one for each box, got {list(scores.shape)}")
    if scores.isnan().any():
        raise ValueError(f"scores[{int(scores.isnan().nonzero()[0])}] is NaN: it cannot be ranked")


def check_image_size(image_size: tuple[int, int]) -> None:
    """Refuse anything but ``(height, width)``, both positive."""
    if len(image_size) != 2 or not all(side > 0 for side in image_size):
        raise ValueError(f"image_size must be (height, width), both positive, got {tuple(image_size)}")


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Corners to centre and size.

    Args:
        boxes: ``[N, 4]`` as (x1, y1, x2, y2), pixels; integers become float32.

    Returns:
        ``[N, 4]`` as (centre x, centre y, width, height), pixels.

    Raises:
        TypeError, ValueError: see :func:`check_boxes`.
    """
    check_boxes(boxes)
    corner1, corner2 = boxes.to(exact(boxes)).split(2, dim=1)  # 2 x [N, 2]
    return _as(torch.cat([(corner1 + corner2) / 2, corner2 - corner1], dim=1), boxes)  # [N, 4]


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """Centre and size to corners: the inverse of :func:`xyxy_to_cxcywh`.

    Args:
        boxes_cxcywh: ``[N, 4]`` as (centre x, centre y, width, height), pixels; integers become float32.

    Returns:
        ``[N, 4]`` as (x1, y1, x2, y2), pixels.

    Raises:
        TypeError, ValueError: see :func:`check_boxes`.
    """
    check_boxes(boxes_cxcywh, "boxes_cxcywh")
    centre, size = boxes_cxcywh.to(exact(boxes_cxcywh)).split(2, dim=1)  # 2 x [N, 2]
    return _as(torch.cat([centre - size / 2, centre + size / 2], dim=1), boxes_cxcywh)  # [N, 4]


def _as(result: Tensor, boxes: Tensor) -> Tensor:
    """In the dtype of the boxes given; integers stay float32, for a centre may lie at a half."""
    return result.to(boxes.dtype) if boxes.is_floating_point() else result


def clip_boxes(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Move every corner into the image: x into [0, width], y into [0, height].

    Args:
        boxes: ``[..., 4]`` as (x1, y1, x2, y2), pixels; any leading dimensions.
        image_size: ``(height, width)``, pixels.

    Returns:
        A new tensor of the same shape and dtype. A box outside the image becomes a box without area on its
        border.

    Raises:
        TypeError: not a tensor.
        ValueError: ``boxes`` is not ``[..., 4]`` or holds NaN, or ``image_size`` is not two positive numbers.
    """
    check_tensors(boxes=boxes)
    if boxes.dim() == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"boxes must be [..., 4] (x1, y1, x2, y2), got {list(boxes.shape)}")
    if boxes.isnan().any():
        raise ValueError("boxes hold NaN: they cannot be clipped; remove or repair them first")
    check_image_size(image_size)
    height, width = image_size
    x1, y1, x2, y2 = boxes.unbind(-1)  # 4 x [...]
    return torch.stack(
        [x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)], dim=-1
    )
