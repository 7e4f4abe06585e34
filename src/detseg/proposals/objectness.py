"""Objectness: how likely a window holds an object of any class (Alexe et al. 2010).

Two of the paper's four cues, which carry most of its result: superpixels straddle the border of a bad window, and an
object's colours differ from those around it.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detseg.boxes import check_boxes
from detseg.proposals.graph_segmentation import graph_segmentation
from detseg.proposals.selective_search import as_array

LEVELS = (4, 8, 8)
"""Bins of lightness and of the two colours, for the contrast."""


def objectness(image: np.ndarray | Tensor, boxes: Tensor, scale: float = 60.0, ring: float = 0.5) -> Tensor:
    """Score windows by superpixels straddling times one plus colour contrast.

    Args:
        image: uint8 RGB, an array ``[H, W, 3]`` or a tensor ``[3, H, W]``.
        boxes: ``[N, 4]`` windows (x1, y1, x2, y2), pixels; read at the nearest whole pixels of the image.
        scale: of the superpixels, see :func:`detseg.proposals.graph_segmentation.graph_segmentation`.
        ring: how far the surroundings reach on each side, in sides of the window.

    Returns:
        float32 ``[N]`` in [0, 2], on the device of ``boxes``; 0 for a window without pixels.

    Raises:
        TypeError, ValueError: the image is not uint8, not RGB, or has no pixels; a negative ring; see also
            :func:`detseg.boxes.check_boxes` and :func:`detseg.proposals.graph_segmentation.graph_segmentation`.
    """
    if not ring >= 0:
        raise ValueError(f"ring must not be negative, got {ring}")
    check_boxes(boxes)
    pixels = as_array(image)
    corners = boxes.detach().cpu().double().numpy()
    side = corners[:, 2:] - corners[:, :2]
    around = np.concatenate([corners[:, :2] - ring * side, corners[:, 2:] + ring * side], axis=1)
    straddling = superpixels_straddling(graph_segmentation(pixels, scale), corners)
    scores = torch.from_numpy(straddling * (1 + colour_contrast(pixels, corners, around)))  # [N]
    return scores.float().to(boxes.device)


def superpixels_straddling(segments: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """1 minus the part of each window that belongs to superpixels which lie on both sides of its border (equation 3).

    Args:
        segments: int ``[H, W]``, numbered from 0.
        boxes: ``[N, 4]``.

    Returns:
        ``[N]`` in [0, 1]; 0 for a window without pixels.
    """
    inside = _count(np.eye(int(segments.max()) + 1, dtype=np.float32)[segments], boxes)  # [N, segments]
    outside = np.bincount(segments.ravel()) - inside
    area = inside.sum(1)
    cut = np.minimum(inside, outside).sum(1) / np.maximum(area, 1)
    return np.where(area > 0, np.clip(1 - cut, 0, 1), 0)


def colour_contrast(pixels: np.ndarray, boxes: np.ndarray, around: np.ndarray) -> np.ndarray:
    """How little the colours inside a window overlap those of the ring around it (equation 2, as an intersection).

    Returns:
        ``[N]`` in [0, 1]; 0 where the window or its ring has no pixels.
    """
    lab = np.asarray(Image.fromarray(pixels).convert("LAB"), np.int64)
    lightness, first, second = (lab[..., channel] * bins // 256 for channel, bins in enumerate(LEVELS))
    colour = (lightness * LEVELS[1] + first) * LEVELS[2] + second  # [H, W]
    used, colour = np.unique(colour, return_inverse=True)
    planes = np.eye(len(used), dtype=np.float32)[colour.reshape(pixels.shape[:2])]  # [H, W, colours]
    inside = _count(planes, boxes)  # [N, colours]
    ring = _count(planes, around) - inside
    sizes = inside.sum(1, keepdims=True), ring.sum(1, keepdims=True)
    shared = np.minimum(inside / np.maximum(sizes[0], 1), ring / np.maximum(sizes[1], 1)).sum(1)
    return np.where((sizes[0] > 0)[:, 0] & (sizes[1] > 0)[:, 0], np.clip(1 - shared, 0, 1), 0)


def _count(planes: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Sums of planes ``[H, W, P]`` over boxes ``[N, 4]``: ``[N, P]``, by an integral image."""
    height, width = planes.shape[:2]
    sums = np.pad(planes, ((1, 0), (1, 0), (0, 0))).cumsum(0, dtype=np.float64).cumsum(1)  # [H + 1, W + 1, P]
    x1, x2 = np.clip(np.round(boxes[:, 0::2]), 0, width).astype(np.int64).T
    y1, y2 = np.clip(np.round(boxes[:, 1::2]), 0, height).astype(np.int64).T
    counts: np.ndarray = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    return counts
