"""Cross-entropy at every pixel (Long et al. 2015, section 4.3; Farabet et al. 2013)."""

import torch
from torch import Tensor


def pixel_cross_entropy(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    """Mean over the valid pixels of log(sum of exp(logits)) minus the logit of the true class.

    Args:
        logits: ``[N, K, H, W]``, floating point; half precision is computed in float32.
        target: int64 (or uint8) ``[N, H, W]``: class 0 .. K - 1 or ``ignore_index``.
        ignore_index: pixels of this label count nowhere.

    Returns:
        A scalar in the dtype of ``logits``; 0 with a graph if no pixel is valid.

    Raises:
        TypeError: logits that are not floating point, or a target that is.
        ValueError: shapes that do not fit, or a label that is neither a class nor ``ignore_index``.
    """
    if not logits.is_floating_point() or target.is_floating_point():
        raise TypeError(
            f"logits must be floating point and target integers, got {logits.dtype} and {target.dtype}"
        )
    if logits.dim() != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"logits must be [N, K, H, W] and target [N, H, W], got {list(logits.shape)} and {list(target.shape)}"
        )
    valid = target != ignore_index  # [N, H, W]
    label = target.long().where(valid, 0)
    if label.numel() and not (label.min() >= 0 and label.max() < logits.shape[1]):
        raise ValueError(
            f"target must hold 0 .. {logits.shape[1] - 1} or {ignore_index}, got {label.min()} .. {label.max()}"
        )
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    true_class = exact.gather(1, label[:, None])[:, 0]  # [N, H, W]
    # logsumexp subtracts the largest logit first, so that no exponential overflows.
    loss = (exact.logsumexp(1) - true_class).where(valid, 0)  # [N, H, W]
    return (loss.sum() / valid.sum().clamp(min=1)).to(logits.dtype)
