"""Smooth L1 (Fast R-CNN, Girshick 2015, equation 3): squared near zero, absolute beyond."""

import torch
from torch import Tensor


def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """Element-wise 0.5 d^2 / beta where abs(d) < beta, else abs(d) - 0.5 beta, for d = pred - target.

    Args:
        pred: any shape, floating point.
        target: the same shape: nothing broadcasts.
        beta: where the parabola meets the line: 1 in the head, 1/9 in the RPN; 0 is the plain absolute
            difference.

    Returns:
        The losses, of the shape of ``pred``; summing and dividing is the caller's choice.

    Raises:
        TypeError: not floating point.
        ValueError: different shapes, or a negative ``beta``.
    """
    if not (pred.is_floating_point() and target.is_floating_point()):
        raise TypeError(f"pred and target must be floating point, got {pred.dtype} and {target.dtype}")
    if pred.shape != target.shape:
        raise ValueError(
            f"pred and target must have one shape, got {list(pred.shape)} and {list(target.shape)}"
        )
    if not beta >= 0:
        raise ValueError(f"beta must not be negative, got {beta}")
    distance = (pred - target).abs()
    if beta == 0:
        return distance
    return torch.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta)
