"""The confusion matrix of a segmentation: which class was taken for which, pixel by pixel."""

import torch
from torch import Tensor

from detseg.tensors import check_tensors


def confusion_matrix(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count the pixels of every pair (true class, predicted class). Matrices of several images add up.

    Args:
        pred: integers of any shape, 0 .. K - 1 wherever the target is valid.
        target: integers of the same shape, 0 .. K - 1 or ``ignore_index``.
        num_classes: K.
        ignore_index: pixels of this label are removed first (it may be the number of a class).

    Returns:
        int64 ``[K, K]``; rows are the target, columns the prediction.

    Raises:
        TypeError: floating-point labels.
        ValueError: shapes that differ, or a label outside 0 .. K - 1.
    """
    check_tensors(target=target, pred=pred)
    if pred.is_floating_point() or target.is_floating_point():
        raise TypeError(
            f"pred and target must be integers, got {pred.dtype} and {target.dtype}: use argmax(1)"
        )
    if pred.shape != target.shape:
        raise ValueError(
            f"pred and target must have one shape, got {list(pred.shape)} and {list(target.shape)}"
        )
    valid = target != ignore_index
    pred, target = pred[valid].long(), target[valid].long()  # [pixels]
    for name, labels in (("pred", pred), ("target", target)):
        if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
            raise ValueError(f"{name} must hold 0 .. {num_classes - 1}, got {labels.min()} .. {labels.max()}")
    pairs = torch.bincount(target * num_classes + pred, minlength=num_classes**2)  # [K x K]
    return pairs.view(num_classes, num_classes)
