"""Max pooling that remembers, and its undoing (DeconvNet, Noh et al. 2015, section 3.1; Zeiler & Fergus 2014)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.tensors import check_floating, check_tensors


def max_pool_with_switches(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Max pooling whose stride is the kernel, and where in the plane each maximum was.

    Args:
        x: ``[N, C, H, W]``, floating point.
        kernel_size: the side of a window; incomplete windows at the right and bottom are dropped.

    Returns:
        pooled ``[N, C, H // k, W // k]`` and switches, int64 of that shape: row x W + column of the maximum
        (the first in reading order) in its own channel's plane.

    Raises:
        TypeError: ``x`` is not floating point.
        ValueError: ``x`` is not ``[N, C, H, W]`` with H, W > 0, or a window does not fit.
    """
    check_floating(x=x)
    if x.dim() != 4 or 0 in x.shape[2:]:
        raise ValueError(f"x must be [N, C, H, W] with H, W > 0, got {list(x.shape)}")
    if not 1 <= kernel_size <= min(x.shape[2:]):
        raise ValueError(
            f"kernel_size must be 1 .. {min(x.shape[2:])} for a map {list(x.shape[2:])}, got {kernel_size}"
        )
    return F.max_pool2d(x, kernel_size, return_indices=True)


def max_unpool(pooled: Tensor, switches: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Put every value back where it was the maximum; 0 everywhere else.

    Args:
        pooled: ``[N, C, h, w]``.
        switches: int64 ``[N, C, h, w]`` from :func:`max_pool_with_switches`.
        output_size: ``(H, W)`` of the map that was pooled: pooling forgets an odd last row.

    Returns:
        ``[N, C, H, W]`` in the dtype of ``pooled``.

    Raises:
        TypeError: switches that are not int64.
        ValueError: shapes that differ, or a switch outside the output.
    """
    check_tensors(pooled=pooled, switches=switches)
    if switches.dtype != torch.int64:
        raise TypeError(
            f"switches must be int64, got {switches.dtype}: take them from max_pool_with_switches"
        )
    if pooled.dim() != 4 or pooled.shape != switches.shape:
        raise ValueError(
            f"pooled and switches must both be [N, C, h, w], got {list(pooled.shape)} and {list(switches.shape)}"
        )
    height, width = output_size
    if switches.numel():
        first, last = (int(end) for end in switches.aminmax())
        if first < 0 or last >= height * width:
            raise ValueError(
                f"switches run from {first} to {last}: they do not fit output_size {height} x {width}"
            )
    planes = pooled.new_zeros(*pooled.shape[:2], height * width)  # [N, C, H x W]
    return planes.scatter_(2, switches.flatten(2), pooled.flatten(2)).unflatten(2, (height, width))
