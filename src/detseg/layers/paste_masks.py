"""Pasting masks into the image (Mask R-CNN, He et al. 2017, section 3.1, "Inference")."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.boxes.geometry import check_boxes, check_image_size
from detseg.tensors import check_tensors, exact


def paste_masks(masks: Tensor, boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Stretch each small mask over its box, and say which pixels of the image it covers.

    The mask is sampled at the centre of every pixel, bilinearly, with zeros beyond its border. The box is not rounded:
    rounding would move small masks by a good part of their size.

    Args:
        masks: ``[R, m, m]`` in [0, 1], floating point.
        boxes: ``[R, 4]`` as (x1, y1, x2, y2), pixels; a box without area has an empty mask.
        image_size: ``(height, width)``, pixels.

    Returns:
        bool ``[R, height, width]``: where the sampled mask is at least one half.

    Raises:
        TypeError: masks that are not floating point.
        ValueError: shapes that do not agree, or masks with NaN; see also :func:`detseg.boxes.check_boxes`.
    """
    check_boxes(boxes)
    check_image_size(image_size)
    check_tensors(boxes=boxes, masks=masks)
    if not masks.is_floating_point():
        raise TypeError(f"masks must be floating point, got {masks.dtype}: paste probabilities")
    if masks.dim() != 3 or len(masks) != len(boxes) or 0 in masks.shape[1:]:
        raise ValueError(f"masks must be [{len(boxes)}, m, m], one for each box, got {list(masks.shape)}")
    if masks.isnan().any():
        raise ValueError("masks hold NaN: the network has diverged, lower the learning rate")
    height, width = image_size
    dtype = exact(masks)
    left, top, right, bottom = boxes.to(dtype)[:, :, None].unbind(1)  # 4 x [R, 1]
    solid = (right > left) & (bottom > top)  # [R, 1]
    x = torch.arange(width, device=boxes.device, dtype=dtype) + 0.5  # [width]: pixel centres
    y = torch.arange(height, device=boxes.device, dtype=dtype) + 0.5
    # grid_sample counts from -1 at the mask's first edge to 1 at its last.
    grid_x = 2 * (x - left) / torch.where(solid, right - left, 1) - 1  # [R, width]
    grid_y = 2 * (y - top) / torch.where(solid, bottom - top, 1) - 1  # [R, height]
    grid = torch.stack(
        [grid_x[:, None, :].expand(-1, height, -1), grid_y[:, :, None].expand(-1, -1, width)], dim=-1
    )  # [R, height, width, 2]
    sampled = F.grid_sample(masks[:, None].to(dtype), grid, align_corners=False)[:, 0]  # [R, height, width]
    return (sampled >= 0.5) & solid[:, :, None]
