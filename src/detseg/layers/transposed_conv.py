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
    # Output row y (before `padding` cuts) lies under the kernel rows y % stride, y % stride + stride, ... of
    # neighbouring cells. So each of the stride x stride phases of the output is an ordinary convolution with every
    # stride-th row and column of the kernel, flipped. One call makes all phases.
    dtype = exact(x, weight)
    taps = [-(-k // stride) for k in kernel]  # t, the size of a phase's kernel; below, s is the stride
    down, right = (t * stride - k for t, k in zip(taps, kernel, strict=True))
    weight = F.pad(weight.to(dtype), (0, right, 0, down))  # [C_in, C_out, t s, t s]
    weight = weight.unflatten(3, (-1, stride)).unflatten(2, (-1, stride))  # [C_in, C_out, t, s, t, s]
    weight = weight.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)  # [C_out s s, C_in, t, t]
    out = F.conv2d(x.to(dtype), weight, padding=[t - 1 for t in taps])  # [N, C_out s s, H + t - 1, W + t - 1]
    out = out.unflatten(1, (-1, stride, stride))  # [N, C_out, s, s, H + t - 1, W + t - 1]
    out = out.permute(0, 1, 4, 2, 5, 3)  # [N, C_out, H + t - 1, s, W + t - 1, s]
    out = out.flatten(4, 5).flatten(2, 3)  # [N, C_out, (H + t - 1) s, (W + t - 1) s]
    out = out[:, :, padding : padding + height, padding : padding + width]  # [N, C_out, height, width]
    return out.contiguous().to(x.dtype)


def paint_kernels(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """:func:`conv_transpose2d` to be read: it paints, as the definition says, and is slower.

    Arguments and result are the same; nothing is checked. The models run the other one; a test holds them equal.
    """
    height, width = ((n - 1) * stride + k for n, k in zip(x.shape[2:], weight.shape[2:], strict=True))
    canvas = x.new_zeros(len(x), weight.shape[1], height, width)  # [N, C_out, height, width], before the cut
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            colour = torch.einsum("nchw,cd->ndhw", x, weight[:, :, row, column])  # [N, C_out, H, W]
            bottom, right = row + (x.shape[2] - 1) * stride + 1, column + (x.shape[3] - 1) * stride + 1
            canvas[:, :, row:bottom:stride, column:right:stride] += colour
    return canvas[:, :, padding : height - padding, padding : width - padding]


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
