"""RoI max pooling (Fast R-CNN, Girshick 2015, section 2.1): any region becomes a grid of fixed size.

A bin is a bag of cells, and its value the maximum of the bag: ``_pool_plain`` says just that, in a line,
and runs in float64 and on a GPU. ``_PoolFast`` gives the same values and gradients several times faster in
float32 on the CPU, and runs there.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from detseg.layers.rois import cell_rows, check_rois, grid_size, sparse_rows
from detseg.tensors import exact

FAR = 2.0**40
"""Cells; corners beyond count as if they were here, far off any map: larger numbers would not fit integers."""


def roi_pool(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    """Divide each region of interest into a grid of bins and keep the maximum of every bin.

    The rule is Caffe's and torchvision's: corners are rounded half away from zero to whole cells, both
    corners belong to the region, which is at least one cell; bin i of P covers the cells floor(i h / P) up
    to ceil((i + 1) h / P); a bin that lies outside the map is 0. Bin edges are exact integers; torchvision
    computes them in floating point, which for a few sizes (57 cells in 7 bins) takes in one cell more.

    Args:
        features: ``[N, C, H, W]``, floating point; half precision is compared, exactly, in float32.
        rois: ``[R, 5]`` as (batch index, x1, y1, x2, y2), pixels of the image. Any position and size is
            legal.
        output_size: bins (high, wide), or one number for both.
        spatial_scale: cells per pixel: 1 / stride.

    Returns:
        ``[R, C, height, width]`` in the dtype of ``features``. The gradient of a bin goes to its first
        maximum in reading order; the rois get none.

    Raises:
        TypeError, ValueError: see :func:`detseg.layers.rois.check_rois`; an output size that is not positive.
    """
    check_rois(features, rois, spatial_scale)
    grid = grid_size(output_size)
    starts, cells, bin_of = _bags(rois, grid, (features.shape[2], features.shape[3]), spatial_scale)
    rows = cell_rows(features.to(exact(features)))  # [N x H x W, C]
    pool = _PoolFast.apply if _PoolFast.can(rows) else _pool_plain
    maxima = pool(rows, starts, cells)  # [B, C]
    pooled = maxima.index_select(0, bin_of).to(features.dtype)  # [R x height x width, C]
    return pooled.view(len(rois), *grid, rows.shape[1]).permute(0, 3, 1, 2)


def round_half_away(x: Tensor) -> Tensor:
    """C's ``round``, as int64: halves go away from zero, where ``torch.round`` goes to the even side."""
    return (x.abs() + 0.5).floor().copysign(x).long()


def bin_edges(first: Tensor, last: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """Where the bins of regions start and end (exclusive) along one axis of a map of ``size`` cells.

    Args:
        first: int64 ``[R]``, the regions' first cells.
        last: int64 ``[R]``, their last cells (inclusive).
        bins: how many bins divide a region.
        size: cells on the map; bins are clipped to it, and a bin outside it ends where it starts.

    Returns:
        int64 ``[R, bins]`` starts and ends.
    """
    length = (last - first + 1).clamp(min=1)[:, None]  # [R, 1]
    i = torch.arange(bins, device=first.device)
    start = first[:, None] + i * length // bins  # [R, bins]
    end = first[:, None] - (-(i + 1) * length) // bins  # [R, bins]: minus the floor of minus is the ceiling
    return start.clamp(0, size), end.clamp(0, size)


def _bags(
    rois: Tensor, grid: tuple[int, int], map_size: tuple[int, int], spatial_scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The different bins of all regions, as bags of cells: regions that overlap share many, pooled once.

    Returns:
        starts ``[B + 1]``, cells, bin_of ``[R x height x width]``: bag i holds ``cells[starts[i]:starts[i +
        1]]`` in reading order, numbers of rows of :func:`detseg.layers.rois.cell_rows`; ``bin_of`` names
        each bin's bag.
    """
    height, width = map_size
    corners = round_half_away((rois[:, 1:].to(exact(rois)) * spatial_scale).clamp(-FAR, FAR))  # [R, 4]
    top, bottom = bin_edges(corners[:, 1], corners[:, 3], grid[0], height)  # 2 x [R, grid height]
    left, right = bin_edges(corners[:, 0], corners[:, 2], grid[1], width)  # 2 x [R, grid width]
    top_row = rois[:, 0].long()[:, None] * height + top  # [R, grid height], counted through the batch
    name = top_row * (height + 1) + bottom - top  # one number for the rows of a bin: first and how many
    name = (name[:, :, None] * (width + 1) + left[:, None, :]) * (width + 1) + (right - left)[:, None, :]
    name, bin_of = name.flatten().unique(return_inverse=True)  # [B], [R x height x width]
    name, wide = name // (width + 1), name % (width + 1)
    name, left = name // (width + 1), name % (width + 1)
    top_row, high = name // (height + 1), name % (height + 1)
    rows = _ranges(top_row, high)  # [rows of all bags]
    cells = _ranges(rows * width + left.repeat_interleave(high), wide.repeat_interleave(high))
    return F.pad((high * wide).cumsum(0), (1, 0)), cells, bin_of


def _ranges(first: Tensor, count: Tensor) -> Tensor:
    """``first[0], first[0] + 1 ..`` (``count[0]`` numbers), then ``first[1], first[1] + 1 ..``, and so on."""
    before = count.cumsum(0) - count
    joined = (first - before).repeat_interleave(count)
    return joined + torch.arange(len(joined), device=first.device)


def _pool_plain(rows: Tensor, starts: Tensor, cells: Tensor) -> Tensor:
    """The maximum of every bag of rows ``[.., C]``: ``[B, C]``; 0 for an empty bag."""
    return F.embedding_bag(cells, rows, starts, mode="max", include_last_offset=True)


class _PoolFast(torch.autograd.Function):
    """:func:`_pool_plain` as a product with a sparse matrix of ones that takes maxima where a product adds.

    The backward pass must know where each maximum came from, which the product does not say (quickly). So
    every value carries its address: a float32 written as float64 leaves 29 bits free, and into them goes
    the number of a slot. Among equal values the one whose address makes it larger wins, so slots are
    numbered to let the first cell win: falling for positive values, rising for negative ones, which more
    bits make smaller. Slot 0 is for empty bags.
    """

    BLOCK = 64  # channels at a time: their gradient stays in the processor's cache

    @classmethod
    def can(cls, rows: Tensor) -> bool:
        """On the CPU, in float32, if a block's slots fit in 28 bits: a 29th would round the value up."""
        return rows.device.type == "cpu" and rows.dtype == torch.float32 and 2 * len(rows) * cls.BLOCK < 2**28

    @staticmethod
    def forward(ctx: Any, rows: Tensor, starts: Tensor, cells: Tensor) -> Tensor:
        if not ctx.needs_input_grad[0]:
            return torch.sparse.mm(
                sparse_rows(starts, cells, rows.new_ones(len(cells)), len(rows)), rows, "amax"
            )
        bags = sparse_rows(starts, cells, rows.new_ones(len(cells), dtype=torch.float64), len(rows))
        pooled = rows.new_empty(len(starts) - 1, rows.shape[1])
        slots = []
        for values, out in _blocks(rows, pooled):
            size = values.numel()
            slot = torch.arange(1, size + 1).view(values.shape)
            slot = torch.where(values < 0, slot, 2 * size + 1 - slot)
            # 2^-200 and 2^200 stand for 0 and infinity, which have no bits to spare; float32 reads them as such.
            keys = values.double().clamp(-(2.0**200), 2.0**200).masked_fill(values == 0, 2.0**-200)
            keys = (keys.view(torch.int64) | slot).view(torch.float64)
            best = torch.sparse.mm(bags, keys, "amax")  # [B, block]
            out.copy_(best)
            slots.append(best.view(torch.int64).bitwise_and_(2 ** (2 * size).bit_length() - 1).int())
        ctx.save_for_backward(*slots)
        ctx.shape = rows.shape
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows = grad.new_empty(ctx.shape)
        for slot, (part, out) in zip(ctx.saved_tensors, _blocks(grad, rows), strict=True):
            sums = grad.new_zeros(2 * out.numel() + 1).index_add_(0, slot.flatten(), part.reshape(-1))
            rising, falling = sums[1:].view(2, -1)
            torch.add(rising.view(out.shape), falling.flip(0).view(out.shape), out=out)
        return rows, None, None


def _blocks(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The same few columns of two tables at a time."""
    return zip(a.split(_PoolFast.BLOCK, 1), b.split(_PoolFast.BLOCK, 1), strict=True)
