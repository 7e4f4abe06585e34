"""RoIAlign (Mask R-CNN, He et al. 2017, section 3): RoI pooling that rounds nothing, by bilinear interpolation."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.layers.rois import cell_rows, check_rois, grid_size, sparse_rows
from detseg.tensors import check_floating, check_tensors, exact


def bilinear_sample(features: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read a feature map between its cells.

    Args:
        features: ``[C, H, W]``, floating point; half precision is computed in float32.
        y: row of each point, any shape; whole numbers hit cells. Outside [-1, H] the map is 0, and from
            there to the border cells it continues them.
        x: column of each point, the shape of ``y``; likewise with [-1, W].

    Returns:
        ``[C, ...]``, the shape of ``y`` after the channels, in the dtype of ``features``.

    Raises:
        TypeError: features that are not floating point.
        ValueError: ``features`` is not ``[C, H, W]`` with H, W > 0, or ``y`` and ``x`` differ in shape or hold NaN.
    """
    check_floating(features=features)
    check_tensors(features=features, y=y, x=x)
    if features.dim() != 3 or 0 in features.shape[1:]:
        raise ValueError(f"features must be [C, H, W] with H, W > 0, got {list(features.shape)}")
    if y.shape != x.shape:
        raise ValueError(f"y and x must have one shape, got {list(y.shape)} and {list(x.shape)}")
    for name, position in (("y", y), ("x", x)):
        if position.isnan().any():
            raise ValueError(f"{name} holds NaN: no cell is there; look where the positions come from")
    dtype = exact(features)
    rows, row_weights = _neighbours(y.to(exact(y)), features.shape[1])  # 2 x [..., 2]
    columns, column_weights = _neighbours(x.to(exact(x)), features.shape[2])  # 2 x [..., 2]
    corners = features[:, rows[..., :, None], columns[..., None, :]]  # [C, ..., 2, 2]
    weights = row_weights[..., :, None] * column_weights[..., None, :]  # [..., 2, 2]
    return (corners.to(dtype) * weights.to(dtype)).sum((-2, -1)).to(features.dtype)  # [C, ...]


def roi_align(
    features: Tensor,
    rois: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int = 2,
    aligned: bool = True,
) -> Tensor:
    """Divide each region into a grid of bins and average a few bilinear samples in every bin.

    Every output is a weighted sum of at most (2 x ``sampling_ratio``)^2 cells, and the weights do not
    depend on the features: so the whole layer is one sparse matrix times the table of cells, and its
    gradient the transpose.

    Args:
        features: ``[N, C, H, W]``, floating point; half precision is computed in float32.
        rois: ``[R, 5]`` as (batch index, x1, y1, x2, y2), pixels of the image. Any position and size is
            legal.
        output_size: bins (high, wide), or one number for both.
        spatial_scale: cells per pixel: 1 / stride.
        sampling_ratio: samples along each side of a bin.
        aligned: put the centre of cell (0, 0) at (0.5, 0.5), as the pixel model has it; False is the first
            Detectron's rule, half a cell off and with regions of at least one cell.

    Returns:
        ``[R, C, height, width]`` in the dtype of ``features``. The rois get no gradient.

    Raises:
        TypeError, ValueError: see :func:`detseg.layers.rois.check_rois`; an output size or sampling ratio
            that is not positive.
    """
    check_rois(features, rois, spatial_scale)
    high, wide = grid_size(output_size)
    if sampling_ratio < 1:
        raise ValueError(f"sampling_ratio must be at least 1, got {sampling_ratio}")
    dtype = exact(features)
    channels, height, width = features.shape[1:]
    corners = rois[:, 1:].detach().to(dtype) * spatial_scale - (0.5 if aligned else 0.0)  # [R, 4]
    first, size = corners[:, :2], corners[:, 2:] - corners[:, :2]  # 2 x [R, 2]: x, y
    if not aligned:
        size = size.clamp(min=1)
    rows, row_weights = _taps(first[:, 1], size[:, 1], high, sampling_ratio, height)  # 2 x [R, high, T]
    columns, column_weights = _taps(first[:, 0], size[:, 0], wide, sampling_ratio, width)  # 2 x [R, wide, T]
    table = cell_rows(features.to(dtype))  # [N x H x W, C]
    taps = rows.shape[-1]
    rows = rows + rois[:, 0].long()[:, None, None] * height  # counted through the batch
    # Four bytes a number where they suffice: reading these numbers is a good part of the work.
    number = torch.int32 if max(len(table), len(rois) * high * wide * taps * taps) < 2**31 else torch.int64
    rows, columns = (rows * width).to(number), columns.to(number)
    cells = rows[:, :, None, :, None] + columns[:, None, :, None, :]  # [R, high, wide, T, T]
    weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]  # [R, high, wide, T, T]
    pooled = _weighted_sums(table, cells.view(-1, taps**2), weights.view(-1, taps**2))  # [R x high x wide, C]
    return pooled.to(features.dtype).view(-1, high, wide, channels).permute(0, 3, 1, 2)


def _weighted_sums(rows: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """For every bin the weighted sum of its cells' rows: ``[.., C]``, ``[B, T]`` and ``[B, T]`` to ``[B, C]``."""
    starts = torch.arange(0, cells.numel() + 1, cells.shape[1], dtype=cells.dtype, device=cells.device)
    if rows.device.type != "cpu":
        weights = weights.flatten()
        return F.embedding_bag(cells.flatten(), rows, starts[:-1], mode="sum", per_sample_weights=weights)
    # The same as one sparse matrix times the table, which is several times faster on the CPU, backward above all.
    return torch.sparse.mm(sparse_rows(starts, cells.flatten(), weights.flatten(), len(rows)), rows, "sum")


def _taps(first: Tensor, size: Tensor, bins: int, samples: int, cells: int) -> tuple[Tensor, Tensor]:
    """Along one axis: which cells each bin of each region reads, and how much of each.

    Args:
        first: ``[R]`` where the regions start, in cells.
        size: ``[R]`` how long they are.
        bins: how many bins divide a region.
        samples: how many points are averaged in a bin.
        cells: cells on the map.

    Returns:
        int64 cells and their weights, both ``[R, bins, 2 x samples]``.
    """
    steps = (torch.arange(bins * samples, device=first.device, dtype=first.dtype) + 0.5) / (bins * samples)
    cell, weight = _neighbours(first[:, None] + size[:, None] * steps, cells)  # 2 x [R, bins x samples, 2]
    return cell.view(-1, bins, 2 * samples), weight.view(-1, bins, 2 * samples) / samples


def _neighbours(position: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """The two cells around each position on an axis, and their weights: ``[...]`` to twice ``[..., 2]``."""
    inside = (position >= -1) & (position <= cells)
    position = position.clamp(0, cells - 1)
    before = position.floor().clamp(max=max(cells - 2, 0))
    after = (before + 1).clamp(max=cells - 1)
    share = position - before
    weight = torch.stack([1 - share, share], dim=-1) * inside[..., None]
    return torch.stack([before, after], dim=-1).long(), weight
