"""The two-part loss of a detection head (Fast R-CNN, Girshick 2015, section 2.3): class and place."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.losses.smooth_l1 import smooth_l1


def fast_rcnn_loss(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Cross-entropy over classes, and smooth L1 on the box of the true class of every positive RoI.

    Both are divided by ALL sampled RoIs, background included, so a batch with few positives does not weigh
    them more.

    Args:
        class_logits: ``[R, K]``, class 0 is background.
        deltas: ``[R, K, 4]``, one box for each class.
        labels: int64 ``[R]``, 0 for background.
        target_deltas: ``[R, 4]`` in the coding of ``deltas``; rows of background are not looked at.
        beta: see :func:`detseg.losses.smooth_l1`.

    Returns:
        ``(class_loss, box_loss)``, two scalars; a part without RoIs is 0 and still has a graph.

    Raises:
        TypeError: labels that are not int64.
        ValueError: shapes that do not agree; a label outside 0 .. K - 1.
    """
    check_head(class_logits, deltas)
    count, classes = class_logits.shape
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {labels.dtype}: convert with .long()")
    if labels.shape != (count,) or target_deltas.shape != (count, 4):
        raise ValueError(
            f"labels and target_deltas must be [{count}] and [{count}, 4] for {count} RoIs, "
            f"got {list(labels.shape)} and {list(target_deltas.shape)}"
        )
    if ((labels < 0) | (labels >= classes)).any():
        raise ValueError(
            f"labels must be 0 .. {classes - 1}, got {labels.unique().tolist()}: drop ignored RoIs first"
        )
    positive = torch.where(labels > 0)[0]  # [P]
    own_class = deltas[positive, labels[positive]]  # [P, 4]
    class_loss = F.cross_entropy(class_logits, labels, reduction="sum") / max(count, 1)
    box_loss = smooth_l1(own_class, target_deltas[positive], beta).sum() / max(count, 1)
    return class_loss, box_loss


def check_head(class_logits: Tensor, deltas: Tensor) -> None:
    """Refuse anything but the outputs of a detection head: ``[R, K]`` logits and ``[R, K, 4]`` deltas."""
    if class_logits.dim() != 2:
        raise ValueError(f"class_logits must be [R, K], got {list(class_logits.shape)}")
    if deltas.shape != (*class_logits.shape, 4):
        raise ValueError(
            f"deltas must be {[*class_logits.shape, 4]} (RoI, class, side), got {list(deltas.shape)}"
        )
