"""RoI max pooling (Fast R-CNN, Girshick 2015, section 2.1): any region becomes a grid of fixed size."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.boxes.geometry import check_boxes


def roi_pool(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    """Divide each region of interest into a grid of bins and keep the maximum of every bin.

    The rule is Caffe's and torchvision's: corners are rounded half away from zero to whole cells, both
    corners belong to the region, which is at least one cell; bin i of P covers the cells floor(i h / P) up
    to ceil((i + 1) h / P); a bin that lies outside the map is 0. Bin edges are exact integers; torchvision
    computes them in floating point, which for a few sizes (57 cells in 7 bins) takes in one cell more.

    Args:
        features: ``[N, C, H, W]``, floating point.
        rois: ``[R, 5]`` as (batch index, x1, y1, x2, y2), pixels of the image. Any position and size is
            legal.
        output_size: bins (high, wide), or one number for both.
        spatial_scale: cells per pixel: 1 / stride.

    Returns:
        ``[R, C, height, width]`` in the dtype of ``features``. The gradient of a bin goes to its (first)
        maximum; the rois get none.

    Raises:
        TypeError, ValueError: features that are not floating point ``[N, C, H, W]`` with H, W > 0; rois
            that are not finite ``[R, 5]`` or name an image outside the batch; an output size or scale that
            is not positive.
    """
    pooled_height, pooled_width = _pair(output_size)
    _check(features, rois, spatial_scale)
    _, channels, height, width = features.shape
    image = rois[:, 0].long()  # [R]
    corners = round_half_away(
        rois[:, 1:].detach().to(_exact(rois.dtype)) * spatial_scale
    )  # [R, 4] whole cells
    top, bottom = bin_edges(corners[:, 1], corners[:, 3], pooled_height, height)  # 2 x [R, height]
    left, right = bin_edges(corners[:, 0], corners[:, 2], pooled_width, width)  # 2 x [R, width]

    # Every bin is a bag of cells, in reading order, so that the first maximum wins.
    grid = (len(rois), pooled_height, pooled_width)
    high = (bottom - top)[:, :, None].expand(grid).reshape(-1)  # [bins]
    wide = (right - left)[:, None, :].expand(grid).reshape(-1)  # [bins]
    first = ((image[:, None] * height + top) * width)[:, :, None] + left[
        :, None, :
    ]  # [R, height, width]: top left cell
    count = high * wide
    start = count.cumsum(0) - count
    bag = torch.repeat_interleave(count)  # [cells]: the bin of each cell listed
    step = torch.arange(len(bag), device=bag.device) - start[bag]
    cells = first.reshape(-1)[bag] + step // wide[bag] * width + step % wide[bag]  # [cells]
    rows = features.to(_exact(features.dtype)).permute(0, 2, 3, 1).reshape(-1, channels)  # [N x H x W, C]
    pooled = F.embedding_bag(cells, rows, start, mode="max")  # [bins, C]
    return pooled.to(features.dtype).view(*grid, channels).permute(0, 3, 1, 2)


def round_half_away(x: Tensor) -> Tensor:
    """C's ``round``, as int64: halves go away from zero, where ``torch.round`` goes to the even side."""
    return (x.abs() + 0.5).floor().copysign(x).long()


def bin_edges(first: Tensor, last: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """Where the bins of regions start and end (exclusive) along one axis of a map of ``size`` cells.

    Args:
        first: int64 ``[R]``, the regions' first cells.
        last: int64 ``[R]``, their last cells (inclusive).
        bins: how many bins divide a region.
        size: cells on the map; bins are clipped to it, and a bin outside it starts where it ends.

    Returns:
        int64 ``[R, bins]`` starts and ends.
    """
    length = (last - first + 1).clamp(min=1)[:, None]  # [R, 1]
    i = torch.arange(bins, device=first.device)
    start = first[:, None] + i * length // bins  # [R, bins]
    end = (
        first[:, None] - (-(i + 1) * length) // bins
    )  # [R, bins]: minus the floor of the negative is the ceiling
    start, end = start.clamp(0, size), end.clamp(0, size)
    return start, torch.maximum(start, end)


def _exact(dtype: torch.dtype) -> torch.dtype:
    """Half precision and integers are computed in float32, float64 stays."""
    return torch.promote_types(dtype, torch.float32)


def _pair(output_size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    if height < 1 or width < 1:
        raise ValueError(f"output_size must be positive, an int or (height, width), got {output_size}")
    return height, width


def _check(features: Tensor, rois: Tensor, spatial_scale: float) -> None:
    if not features.is_floating_point():
        raise TypeError(f"features must be floating point, got {features.dtype}: convert with .float()")
    if features.dim() != 4 or 0 in features.shape[2:]:
        raise ValueError(f"features must be [N, C, H, W] with H, W > 0, got {list(features.shape)}")
    check_boxes(rois, "rois", columns=5)
    if not spatial_scale > 0:
        raise ValueError(f"spatial_scale must be positive (1 / stride), got {spatial_scale}")
    outside = (rois[:, 0] < 0) | (rois[:, 0] >= len(features))
    if outside.any():
        row = int(outside.nonzero()[0])
        raise ValueError(f"rois[{row}] names image {rois[row, 0].item():g} of a batch of {len(features)}")
