"""Cross-entropy at every pixel (Long et al. 2015, section 4.3; Farabet et al. 2013)."""

from torch import Tensor

from detseg.tensors import check_floating, check_tensors, exact


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
    check_floating(logits=logits)
    check_tensors(logits=logits, target=target)
    if target.is_floating_point():
        raise TypeError(f"target must hold integers, got {target.dtype}: convert with .long()")
    if logits.dim() != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"logits must be [N, K, H, W] and target [N, H, W], got {list(logits.shape)} and {list(target.shape)}"
        )
    valid = target != ignore_index  # [N, H, W]
    label = target.long().where(valid, 0)  # [N, H, W]
    lowest, highest = label.aminmax() if label.numel() else (0, 0)
    if lowest < 0 or highest >= logits.shape[1]:
        raise ValueError(
            f"target must hold 0 .. {logits.shape[1] - 1} or {ignore_index}, got {lowest} .. {highest}"
        )
    precise = logits.to(exact(logits))
    # A constant taken from all logits of a pixel changes nothing; the largest one keeps exp from overflowing.
    largest = precise.detach().amax(1, keepdim=True)  # [N, 1, H, W]
    true_class = precise.gather(1, label[:, None]) - largest  # [N, 1, H, W]
    log_sum = (precise - largest).exp_().sum(1, keepdim=True).log()  # [N, 1, H, W]
    loss = (log_sum - true_class)[:, 0].where(valid, 0)  # [N, H, W]
    return (loss.sum() / valid.count_nonzero().clamp(min=1)).to(logits.dtype)
