"""Warping a region to a fixed size (R-CNN, Girshick et al. 2014, section 2.1 and appendix A)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.boxes.geometry import check_boxes
from detseg.tensors import check_floating, check_tensors, exact


def warp_region(image: Tensor, box: Tensor, size: int, context: int = 0) -> Tensor:
    """Cut a box out of an image and stretch it to a square, whatever its aspect ratio.

    With ``context``, the box fills the middle ``size - 2 context`` pixels of the square, and what surrounds it in the
    image the rest: so the context is counted in pixels of the result.

    Args:
        image: ``[C, H, W]``, floating point.
        box: ``[4]`` as (x1, y1, x2, y2), pixels; it may reach beyond the image, where everything is 0.
        size: of the result, pixels.
        context: pixels of surroundings on each side of it (16 of 227 in the paper).

    Returns:
        ``[C, size, size]``, bilinear, sampled at the centres of the result's pixels; in the dtype of ``image``.

    Raises:
        TypeError: an image that is not floating point.
        ValueError: other shapes, a box that is not finite, a context that leaves no room for the box.
    """
    check_floating(image=image)
    check_tensors(image=image, box=box)
    if image.dim() != 3 or 0 in image.shape[1:]:
        raise ValueError(f"image must be [C, H, W] with H, W > 0, got {list(image.shape)}")
    if box.shape != (4,):
        raise ValueError(f"box must be [4] (x1, y1, x2, y2), got {list(box.shape)}: warp one box at a time")
    check_boxes(box[None])
    if context < 0 or size <= 2 * context:
        raise ValueError(f"size must exceed 2 x context, and context be at least 0, got {size} and {context}")
    height, width = image.shape[1:]
    dtype = exact(image)
    corners = box.to(dtype)
    # Where the result's pixel centres lie along the box: 0 at its first edge, 1 at its second.
    place = (torch.arange(size, device=image.device, dtype=dtype) + 0.5 - context) / (
        size - 2 * context
    )  # [size]
    x = corners[0] + place * (corners[2] - corners[0])  # [size], pixels of the image
    y = corners[1] + place * (corners[3] - corners[1])
    # grid_sample counts from -1 at the image's first edge to 1 at its last.
    grid_y, grid_x = torch.meshgrid(2 * y / height - 1, 2 * x / width - 1, indexing="ij")
    grid = torch.stack([grid_x, grid_y], dim=-1)[None]  # [1, size, size, 2]
    return F.grid_sample(image[None].to(dtype), grid, align_corners=False)[0].to(image.dtype)
