"""RoI max pooling (Fast R-CNN, Girshick 2015, section 2.1): any region becomes a grid of fixed size.

A bin is a bag of cells, and its value the maximum of the bag. ``_pool_plain`` says just that in one line, for
every device and dtype. ``_PoolFast`` does the same several times faster on the CPU, where it is what runs for
anything but float64: the tests hold the two equal, gradients included.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from detseg.layers.rois import cell_rows, check_rois, grid_size, sparse_rows


def roi_pool(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    """Divide each region of interest into a grid of bins and keep the maximum of every bin.

    The rule is Caffe's and torchvision's: corners are rounded half away from zero to whole cells, both corners
    belong to the region, which is at least one cell; bin i of P covers the cells floor(i h / P) up to
    ceil((i + 1) h / P); a bin that lies outside the map is 0. Bin edges are exact integers; torchvision computes
    them in floating point, which for a few sizes (57 cells in 7 bins) takes in one cell more.

    Args:
        features: ``[N, C, H, W]``, floating point; half precision is compared, exactly, in float32.
        rois: ``[R, 5]`` as (batch index, x1, y1, x2, y2), pixels of the image. Any position and size is legal.
        output_size: bins (high, wide), or one number for both.
        spatial_scale: cells per pixel: 1 / stride.

    Returns:
        ``[R, C, height, width]`` in the dtype of ``features``. The gradient of a bin goes to its first maximum in
        reading order; the rois get none.

    Raises:
        TypeError, ValueError: see :func:`detseg.layers.rois.check_rois`; an output size that is not positive.
    """
    check_rois(features, rois, spatial_scale)
    pooled_height, pooled_width = grid_size(output_size)
    channels, height, width = features.shape[1:]
    exact = torch.promote_types(features.dtype, torch.float32)
    starts, cells = _bags(rois, (pooled_height, pooled_width), (height, width), spatial_scale)
    fast = features.device.type == "cpu" and exact == torch.float32 and _PoolFast.can(features)
    pool = _PoolFast.apply if fast else _pool_plain
    pooled = pool(features.to(exact), starts, cells).to(features.dtype)  # [R x height x width, C]
    return pooled.view(-1, pooled_height, pooled_width, channels).permute(0, 3, 1, 2)


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
) -> tuple[Tensor, Tensor]:
    """The cells of every bin, bin after bin, each in reading order.

    Returns:
        starts ``[bins + 1]`` and cells: bin i (of R x height x width) owns ``cells[starts[i]:starts[i + 1]]``,
        numbers of rows of :func:`detseg.layers.rois.cell_rows`.
    """
    height, width = map_size
    corners = round_half_away(rois[:, 1:].to(torch.promote_types(rois.dtype, torch.float32)) * spatial_scale)
    top, bottom = bin_edges(corners[:, 1], corners[:, 3], grid[0], height)  # 2 x [R, high]
    left, right = bin_edges(corners[:, 0], corners[:, 2], grid[1], width)  # 2 x [R, wide]
    first_row = rois[:, 0].long()[:, None] * height + top  # [R, high], counted through the batch
    first_cell = (first_row[:, :, None] * width + left[:, None, :]).flatten()  # [bins]
    wide = (right - left)[:, None, :].expand(-1, grid[0], -1).flatten()  # [bins]
    count = ((bottom - top)[:, :, None] * (right - left)[:, None, :]).flatten()  # [bins]
    starts = F.pad(count.cumsum(0), (1, 0))  # [bins + 1]
    bag = torch.repeat_interleave(count)  # [cells]: whose cell each entry is
    step = torch.arange(len(bag), device=bag.device) - starts[bag]  # [cells]: 0, 1, 2 .. within the bag
    down = step // wide[bag]
    return starts, first_cell[bag] + down * width + (step - down * wide[bag])


def _pool_plain(features: Tensor, starts: Tensor, cells: Tensor) -> Tensor:
    """The maximum of every bag of cells: ``[bins, C]``; 0 for an empty bag."""
    return F.embedding_bag(cells, cell_rows(features), starts, mode="max", include_last_offset=True)


class _PoolFast(torch.autograd.Function):
    """:func:`_pool_plain` as a sparse matrix product that takes the maximum where a product would add.

    That product does not say where a maximum came from, and the backward pass must know. So each value carries
    its address: float32 written as float64 leaves 29 bits free, and into them goes the number of a slot. Among
    equal values the one whose address makes it larger wins, so slots are numbered to let the first cell win:
    falling for positive values, rising for negative ones, which bits make smaller. Slot 0 is for empty bins.
    """

    BLOCK = 64  # channels at a time: their gradient stays in the processor's cache

    @classmethod
    def can(cls, features: Tensor) -> bool:
        """Whether the slots of one block fit in 28 bits (the 29th would round the value up)."""
        return 2 * features.numel() // max(features.shape[1], 1) * cls.BLOCK < 2**28

    @staticmethod
    def forward(ctx: Any, features: Tensor, starts: Tensor, cells: Tensor) -> Tensor:
        ctx.shape = features.shape
        rows = cell_rows(features)  # [N x H x W, C]
        if not features.requires_grad:
            bags = sparse_rows(starts, cells, rows.new_ones(len(cells)), len(rows))
            return torch.sparse.mm(bags, rows, "amax")
        bags = sparse_rows(starts, cells, rows.new_ones(len(cells), dtype=torch.float64), len(rows))
        pooled = rows.new_empty(len(starts) - 1, rows.shape[1])
        slots = []
        for values, out in zip(rows.split(_PoolFast.BLOCK, 1), pooled.split(_PoolFast.BLOCK, 1), strict=True):
            size = values.numel()
            slot = torch.arange(1, size + 1).view(values.shape)
            slot = torch.where(values < 0, slot, 2 * size + 1 - slot)
            # 2^-200 and 2^200 stand for 0 and infinity, which have no bits to spare; float32 reads them as such.
            keys = values.double().clamp(-(2.0**200), 2.0**200).masked_fill(values == 0, 2.0**-200)
            keys = (keys.view(torch.int64) | slot).view(torch.float64)
            best = torch.sparse.mm(bags, keys, "amax")  # [bins, block]
            out.copy_(best)
            slots.append(best.view(torch.int64).bitwise_and_(2 ** (2 * size).bit_length() - 1).int())
        ctx.save_for_backward(*slots)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        batch, channels, height, width = ctx.shape
        rows = grad.new_empty(batch * height * width, channels)
        for slot, part, out in zip(
            ctx.saved_tensors, grad.split(_PoolFast.BLOCK, 1), rows.split(_PoolFast.BLOCK, 1), strict=True
        ):
            sums = grad.new_zeros(2 * out.numel() + 1).index_add_(0, slot.flatten(), part.reshape(-1))
            falling, rising = sums[1:].view(2, -1).flip(0)
            out.copy_((rising + falling.flip(0)).view(out.shape))
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2), None, None
