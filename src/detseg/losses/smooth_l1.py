"""Smooth L1 (Fast R-CNN, Girshick 2015, equation 3): squared near zero, absolute beyond."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from detseg.tensors import check_floating, exact


def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """Element-wise 0.5 d^2 / beta where abs(d) < beta, else abs(d) - 0.5 beta, for d = pred - target.

    Args:
        pred: any shape, floating point; half precision is computed in float32.
        target: the same shape: nothing broadcasts.
        beta: where the parabola meets the line: 1 in the head, 1/9 in the RPN; 0 is the plain absolute
            difference.

    Returns:
        The losses, of the shape and dtype of ``pred``; summing and dividing is the caller's choice.

    Raises:
        TypeError: not floating point.
        ValueError: different shapes, or a negative ``beta``.
    """
    check_floating(pred=pred, target=target)
    if pred.shape != target.shape:
        raise ValueError(
            f"pred and target must have one shape, got {list(pred.shape)} and {list(target.shape)}"
        )
    if not beta >= 0:
        raise ValueError(f"beta must not be negative, got {beta}")
    if beta == 0:
        return (pred - target).abs().to(pred.dtype)
    dtype = exact(pred, target)
    if pred.requires_grad or target.requires_grad:
        return _SmoothL1.apply(pred.to(dtype), target.to(dtype), beta).to(pred.dtype)
    return _loss_and_clamped(pred.to(dtype), target.to(dtype), beta)[0].to(pred.dtype)


def _loss_and_clamped(pred: Tensor, target: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """The two branches in one: with d clamped to h in [-beta, beta], both are (d - h / 2) h / beta.

    Written out, and in place, this is several times faster than ``torch.where`` of the two branches.
    """
    difference = pred - target
    clamped = difference.clamp(-beta, beta)
    difference.sub_(clamped, alpha=0.5)
    nothing = difference.new_zeros(())  # to add to: this multiplies and divides in one pass
    return torch.addcmul(nothing, difference, clamped, value=1 / beta, out=difference), clamped


class _SmoothL1(torch.autograd.Function):
    """With its gradient, which is h / beta: the difference, but never steeper than 1."""

    @staticmethod
    def forward(ctx: Any, pred: Tensor, target: Tensor, beta: float) -> Tensor:
        loss, clamped = _loss_and_clamped(pred, target, beta)
        ctx.save_for_backward(clamped)
        ctx.beta = beta
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (clamped,) = ctx.saved_tensors
        slope = (grad * clamped).mul_(1 / ctx.beta)
        return slope, -slope if ctx.needs_input_grad[1] else None, None
