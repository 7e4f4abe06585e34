"""The linear SVM of R-CNN and its hard negatives (Girshick et al. 2014, section 2.3 and appendix B)."""

import torch
from torch import Tensor

from detseg.tensors import check_floating, check_tensors, exact


def hinge_loss(scores: Tensor, targets: Tensor, weight: Tensor, c: float) -> Tensor:
    """The SVM's objective: a wide margin, and few examples inside it.

    Args:
        scores: ``[N]``, the signed outputs; half precision is computed in float32.
        targets: ``[N]``, -1 or +1.
        weight: ``[D]``, the SVM's weights (without the bias).
        c: how much an example inside the margin costs.

    Returns:
        The scalar 0.5 |weight|^2 + c x the sum of max(0, 1 - target x score), in the dtype of ``scores``.

    Raises:
        TypeError: scores or weight that are not floating point.
        ValueError: shapes that differ, a target other than -1 and +1, or a negative ``c``.
    """
    check_floating(scores=scores, weight=weight)
    check_tensors(scores=scores, targets=targets)
    if scores.dim() != 1 or scores.shape != targets.shape or weight.dim() != 1:
        raise ValueError(
            "scores, targets and weight must be [N], [N] and [D], "
            f"got {list(scores.shape)}, {list(targets.shape)} and {list(weight.shape)}"
        )
    if not (targets.abs() == 1).all():
        raise ValueError(
            f"targets must be -1 or +1, got {targets.unique().tolist()}: 0 / 1 labels become 2 y - 1"
        )
    if c < 0:
        raise ValueError(f"c must not be negative, got {c}")
    dtype = exact(scores, weight)
    hinges = (1 - targets * scores.to(dtype)).clamp(min=0)  # [N]
    return (0.5 * weight.to(dtype).square().sum() + c * hinges.sum()).to(scores.dtype)


def hard_negatives(scores: Tensor, is_negative: Tensor, limit: int) -> Tensor:
    """The negatives the SVM should learn from next: those it places inside its margin, or on the wrong side.

    Args:
        scores: ``[N]``.
        is_negative: bool ``[N]``.
        limit: the most to return.

    Returns:
        int64: indices of negatives with a score above -1, highest score first; of equal scores the earlier.

    Raises:
        TypeError: ``is_negative`` is not bool.
        ValueError: shapes that differ, a NaN score or a negative limit.
    """
    check_tensors(scores=scores, is_negative=is_negative)
    if is_negative.dtype != torch.bool:
        raise TypeError(f"is_negative must be bool, got {is_negative.dtype}: write matched == -1, say")
    if scores.dim() != 1 or scores.shape != is_negative.shape:
        raise ValueError(
            f"scores and is_negative must be [N], got {list(scores.shape)}, {list(is_negative.shape)}"
        )
    if scores.isnan().any():
        raise ValueError(f"scores[{int(scores.isnan().nonzero()[0])}] is NaN: it cannot be ranked")
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    hard = torch.where(is_negative & (scores > -1))[0]
    return hard[scores[hard].argsort(descending=True, stable=True)][:limit]
