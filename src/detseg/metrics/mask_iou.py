"""Intersection over union of masks: what `box_iou` is to boxes (Mask R-CNN, He et al. 2017, section 4)."""

import torch
from torch import Tensor

from detseg.tensors import check_tensors


def mask_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every pair of masks.

    Args:
        a: bool ``[N, H, W]``.
        b: bool ``[M, H, W]``.

    Returns:
        float32 ``[N, M]``; 0 for two empty masks.

    Raises:
        TypeError: masks that are not bool.
        ValueError: other shapes.
    """
    intersection, union = intersection_and_union(a, b)
    return intersection / union.clamp(min=1)


def intersection_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """How many pixels every pair of masks share, and how many it covers; see :func:`mask_iou`.

    Returns:
        Two float32 ``[N, M]`` of whole numbers, exact up to 16 million pixels.
    """
    check_tensors(a=a, b=b)
    if a.dtype != torch.bool or b.dtype != torch.bool:
        raise TypeError(f"masks must be bool, got {a.dtype} and {b.dtype}: threshold them first")
    if a.dim() != 3 or b.dim() != 3 or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"masks must be [N, H, W] and [M, H, W], got {list(a.shape)} and {list(b.shape)}")
    flat_a, flat_b = a.flatten(1).float(), b.flatten(1).float()  # [N, H x W], [M, H x W]
    intersection = flat_a @ flat_b.T  # [N, M]
    return intersection, flat_a.sum(1)[:, None] + flat_b.sum(1) - intersection
