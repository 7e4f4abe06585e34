"""Edge Boxes: a box that holds whole contours probably holds an object (Zitnick & Dollár 2014).

Simplified in three places: the edges are thinned Sobel gradients, not a structured forest's; a contour that crosses
the box's border counts as nothing, but does not weaken the contours next to it; and the best windows are not refined.
"""

import numpy as np
import torch
from torch import Tensor

from detseg.boxes import nms, sliding_windows
from detseg.proposals.selective_search import as_array

KAPPA = 1.5
"""Large boxes hold more edges: scores are divided by the perimeter to this power (section 3.3 of the paper)."""

STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""(row, column) to the next pixel for a gradient towards 0, 45, 90 and 135 degrees."""


def edge_boxes(
    image: np.ndarray | Tensor,
    smallest: float = 16.0,
    growth: float = 1.25,
    ratios: tuple[float, ...] = (0.5, 0.75, 1.0, 1.5, 2.2),
    step: float = 0.2,
    nms_threshold: float = 0.6,
    limit: int = 2000,
) -> Tensor:
    """Propose boxes that hold whole contours, whatever their class.

    Args:
        image: uint8 RGB, an array ``[H, W, 3]`` or a tensor ``[3, H, W]``.
        smallest: side of the smallest square window, pixels; the windows grow from there up to the image.
        growth: from one size of window to the next.
        ratios: of the windows' heights and widths.
        step: between two windows, in sides.
        nms_threshold: between proposals; a little above the IoU they are to reach (section 3.4).
        limit: at most so many boxes.

    Returns:
        float32 ``[P, 4]`` boxes (x1, y1, x2, y2), best first; ``[0, 4]`` for an image without room or edges.

    Raises:
        TypeError, ValueError: the image is not uint8, not RGB, or has no pixels; windows that do not grow or move; a
            negative limit.
    """
    pixels = as_array(image)
    if not (smallest > 0 and growth > 1 and step > 0):
        raise ValueError(
            f"smallest and step must be positive and growth above 1, got {smallest}, {step}, {growth}"
        )
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    height, width = pixels.shape[:2]
    strength, orientation = edges(pixels)
    groups = edge_groups(strength, orientation)
    windows = []
    size = smallest
    while size <= max(height, width):
        windows.append(sliding_windows(height, width, [size], ratios, max(round(step * size), 1)))
        size *= growth
    boxes = torch.cat(windows) if windows else torch.zeros(0, 4)  # [W, 4]
    scores = torch.from_numpy(score_windows(boxes.numpy(), strength, groups))
    boxes, scores = boxes[scores > 0], scores[scores > 0]
    return boxes[nms(boxes, scores, nms_threshold)[:limit]]


def edges(pixels: np.ndarray, faintest: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Thin edges: the largest gradient of the three colours, where it is a maximum across the edge.

    Args:
        pixels: uint8 ``[H, W, 3]``.
        faintest: weaker edges, relative to the strongest, are left out.

    Returns:
        strength float32 ``[H, W]``, 0 to 1 and 0 off the edges; orientation int ``[H, W]``, the gradient's direction
        in eighths of a turn, 0 to 3.
    """
    padded = np.pad(pixels.astype(np.float32), ((1, 1), (1, 1), (0, 0)), mode="edge")
    smooth_y = padded[:-2] + 2 * padded[1:-1] + padded[2:]  # [H, W + 2, 3]
    smooth_x = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]  # [H + 2, W, 3]
    across, down = smooth_y[:, 2:] - smooth_y[:, :-2], smooth_x[2:] - smooth_x[:-2]  # 2 x [H, W, 3]
    channel = (across**2 + down**2).argmax(2)[..., None]
    across, down = (np.take_along_axis(part, channel, 2)[..., 0] for part in (across, down))  # 2 x [H, W]
    strength = np.hypot(across, down)
    orientation = np.round(np.arctan2(down, across) / (np.pi / 4)).astype(np.int64) % 4
    around = np.pad(strength, 1)
    is_peak = strength > faintest * max(float(strength.max()), 1e-6)
    for direction, (row, column) in enumerate(STEPS):
        ahead = around[1 + row : 1 + row + strength.shape[0], 1 + column : 1 + column + strength.shape[1]]
        behind = around[1 - row : 1 - row + strength.shape[0], 1 - column : 1 - column + strength.shape[1]]
        is_peak &= (orientation != direction) | ((strength >= ahead) & (strength > behind))
    return np.where(is_peak, strength / max(float(strength.max()), 1e-6), 0).astype(np.float32), orientation


def edge_groups(strength: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Follow the edges, and cut them where they have turned by more than a quarter of a turn (section 3.1).

    Returns:
        int ``[H, W]``: the group of each edge pixel, numbered from 0; -1 off the edges.
    """
    height, width = strength.shape
    groups = np.full((height, width), -1)
    count = 0
    for start in zip(*np.nonzero(strength), strict=True):
        if groups[start] >= 0:
            continue
        turned, row, column = 0, *start
        while True:
            groups[row, column] = count
            free = [
                (_turn(orientation[row, column], orientation[r, c]), r, c)
                for r in range(max(row - 1, 0), min(row + 2, height))
                for c in range(max(column - 1, 0), min(column + 2, width))
                if strength[r, c] > 0 and groups[r, c] < 0
            ]
            if not free:
                break
            turn, row, column = min(free)
            turned += turn
            if turned > 2:
                break
        count += 1
    return groups


def _turn(first: int, second: int) -> int:
    """Between two orientations, in eighths of a turn: 0, 1 or 2."""
    difference = abs(int(first) - int(second))
    return min(difference, 4 - difference)


def score_windows(boxes: np.ndarray, strength: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The strength of the contours wholly inside each window, except in its middle (equations 3 and 4).

    Args:
        boxes: ``[W, 4]``.
        strength: ``[H, W]`` of `edges`.
        groups: ``[H, W]`` of `edge_groups`.

    Returns:
        float32 ``[W]``.
    """
    on_edge = groups >= 0
    if not on_edge.any() or len(boxes) == 0:
        return np.zeros(len(boxes), np.float32)
    row, column = np.nonzero(on_edge)
    group, weight = groups[on_edge], strength[on_edge]
    count = int(group.max()) + 1
    total = np.bincount(group, weight, count)  # [groups]
    first = np.full((2, count), np.inf)
    last = np.full((2, count), -np.inf)
    for axis, place in enumerate((column, row)):
        np.minimum.at(first[axis], group, place)
        np.maximum.at(last[axis], group, place + 1)
    inside = (first[0] >= boxes[:, :1]) & (first[1] >= boxes[:, 1:2])  # [W, groups]
    inside &= (last[0] <= boxes[:, 2:3]) & (last[1] <= boxes[:, 3:])
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    middle = np.stack(
        [boxes[:, 0] + wide / 4, boxes[:, 1] + high / 4, boxes[:, 2] - wide / 4, boxes[:, 3] - high / 4], 1
    )
    x1, y1, x2, y2 = np.round(middle).astype(np.int64).T
    sums = np.pad(strength, ((1, 0), (1, 0))).cumsum(0).cumsum(1)  # sums[r, c] is of all above and left
    in_middle = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    scores: np.ndarray = (inside @ total - in_middle) / (2 * (wide + high) ** KAPPA)
    return scores.astype(np.float32)
