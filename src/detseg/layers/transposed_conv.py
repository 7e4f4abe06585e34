"""Transposed convolution, from scratch, and the bilinear kernel FCN starts it from (Long et al. 2015, section 3.3)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.tensors import check_floating, exact


def conv_transpose2d(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Upsample: every input cell paints a copy of the kernel, scaled by its value; where copies overlap, they add.

    Args:
        x: ``[N, C_in, H, W]``, floating point; half precision is computed in float32.
        weight: ``[C_in, C_out, k, k]``, likewise.
        stride: how far apart neighbouring cells paint.
        padding: rows and columns to cut from each side of the result.

    Returns:
        ``[N, C_out, (H - 1) stride - 2 padding + k, (W - 1) stride - 2 padding + k]`` in the dtype of ``x``.

    Raises:
        TypeError: not floating point.
        ValueError: shapes that do not fit; a stride below 1; a padding that is negative or leaves nothing.
    """
    check_floating(x=x, weight=weight)
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[0] or 0 in x.shape[2:]:
        raise ValueError(
            "x must be [N, C_in, H, W] with H, W > 0 and weight [C_in, C_out, k, k], "
            f"got {list(x.shape)} and {list(weight.shape)}"
        )
    if stride < 1 or padding < 0:
        raise ValueError(f"stride must be at least 1 and padding at least 0, got {stride} and {padding}")
    kernel = weight.shape[2:]
    height, width = ((n - 1) * stride - 2 * padding + k for n, k in zip(x.shape[2:], kernel, strict=True))
    if height < 1 or width < 1:
        raise ValueError(f"padding {padding} cuts everything away: the output would be {height} x {width}")
    # A 1 x 1 convolution scales the kernel by every cell; `fold` lays the copies down and adds.
    dtype = exact(x, weight)
    copies = F.conv2d(
        x.to(dtype), weight.to(dtype).flatten(1).T[:, :, None, None]
    )  # [N, C_out x k x k, H, W]
    laid = F.fold(copies.flatten(2), (height, width), tuple(kernel), padding=padding, stride=stride)
    return laid.to(x.dtype)  # [N, C_out, height, width]


def bilinear_kernel(channels: int, factor: int) -> Tensor:
    """The weight with which a transposed convolution interpolates bilinearly, each channel by itself.

    Args:
        channels: C, in and out.
        factor: s, by how much to upsample: use it with stride s and padding ceil((s - 1) / 2).

    Returns:
        float32 ``[C, C, k, k]`` with k = 2 s - s % 2, zero except from a channel to itself.

    Raises:
        ValueError: channels or factor below 1.
    """
    if channels < 1 or factor < 1:
        raise ValueError(f"channels and factor must be at least 1, got {channels} and {factor}")
    size = 2 * factor - factor % 2
    hat = 1 - (torch.arange(size) - (size - 1) / 2).abs() / factor  # [k]: 1 in the middle, 0 one cell away
    return torch.eye(channels)[:, :, None, None] * (hat[:, None] * hat)  # [C, C, k, k]
