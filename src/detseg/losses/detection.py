"""The four losses of a detector: two of the head (Girshick 2015, section 2.3), two of the RPN (Ren 2015, 3.1.2)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.losses.smooth_l1 import smooth_l1
from detseg.tensors import check_floating, check_labels, check_tensors, exact


def fast_rcnn_loss(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Cross-entropy over classes, and smooth L1 on the box of the true class of every positive RoI.

    Both are divided by ALL sampled RoIs, background included, so a batch with few positives does not weigh
    them more.

    Args:
        class_logits: ``[R, K]``, class 0 is background; half precision is computed in float32, here and below.
        deltas: ``[R, K, 4]``, one box for each class.
        labels: int64 ``[R]``, 0 for background.
        target_deltas: ``[R, 4]`` in the coding of ``deltas``; rows of background are not looked at.
        beta: see :func:`detseg.losses.smooth_l1`.

    Returns:
        ``(class_loss, box_loss)``, two scalars in the dtypes of ``class_logits`` and ``deltas``; a part without
        RoIs is 0 and still has a graph.

    Raises:
        TypeError: labels that are not int64, or anything else that is not floating point.
        ValueError: shapes that do not agree; a label outside 0 .. K - 1.
    """
    check_head(class_logits, deltas)
    count, classes = class_logits.shape
    check_tensors(class_logits=class_logits, labels=labels)
    check_floating(class_logits=class_logits, target_deltas=target_deltas)
    if labels.shape != (count,) or target_deltas.shape != (count, 4):
        raise ValueError(
            f"labels and target_deltas must be [{count}] and [{count}, 4] for {count} RoIs, "
            f"got {list(labels.shape)} and {list(target_deltas.shape)}"
        )
    check_labels(labels, classes)
    positive = torch.where(labels > 0)[0]  # [P]
    own_class = deltas[positive, labels[positive]].to(exact(deltas))  # [P, 4]
    class_loss = F.cross_entropy(class_logits.to(exact(class_logits)), labels, reduction="sum") / max(
        count, 1
    )
    box_loss = smooth_l1(own_class, target_deltas[positive], beta).sum() / max(count, 1)
    return class_loss.to(class_logits.dtype), box_loss.to(deltas.dtype)


def rpn_loss(
    objectness: Tensor,
    deltas: Tensor,
    matched: Tensor,
    target_deltas: Tensor,
    sampled: Tensor,
    beta: float = 1 / 9,
) -> tuple[Tensor, Tensor]:
    """Is there an object at each sampled anchor, and where exactly at the positive ones?

    Both parts are divided by ALL sampled anchors.

    Args:
        objectness: ``[N]`` logits, one for each anchor; half precision is computed in float32, here and below.
        deltas: ``[N, 4]``.
        matched: int64 ``[N]`` from :func:`detseg.proposals.assign_anchors`: >= 0 positive, -1 background.
        target_deltas: ``[N, 4]``; rows of anchors that are not positive are not looked at.
        sampled: int64 ``[S]``, the anchors to learn from; none of them ignored (-2).
        beta: see :func:`detseg.losses.smooth_l1`.

    Returns:
        ``(objectness_loss, box_loss)``, two scalars in the dtypes of ``objectness`` and ``deltas``; a part without
        anchors is 0 and still has a graph.

    Raises:
        TypeError: ``matched`` or ``sampled`` that are not int64, or anything else that is not floating point.
        ValueError: shapes that do not agree; a sampled anchor that is ignored or does not exist.
    """
    check_floating(objectness=objectness, deltas=deltas, target_deltas=target_deltas)
    check_tensors(objectness=objectness, matched=matched, sampled=sampled)
    if matched.dtype != torch.int64 or sampled.dtype != torch.int64:
        raise TypeError(f"matched and sampled must be int64, got {matched.dtype} and {sampled.dtype}")
    count = len(matched)
    if objectness.shape != (count,) or deltas.shape != (count, 4) or target_deltas.shape != (count, 4):
        raise ValueError(
            f"objectness, deltas and target_deltas must be [{count}], [{count}, 4] and [{count}, 4], "
            f"got {list(objectness.shape)}, {list(deltas.shape)} and {list(target_deltas.shape)}"
        )
    if sampled.dim() != 1:
        raise ValueError(f"sampled must be [S], got {list(sampled.shape)}: use sample_rois")
    if ((sampled < 0) | (sampled >= count)).any() or (matched[sampled] < -1).any():
        raise ValueError(f"sampled must name anchors 0 .. {count - 1} that are not ignored: use sample_rois")
    positive = sampled[matched[sampled] >= 0]  # [P]
    logits = objectness[sampled].to(exact(objectness))  # [S]
    is_object = (matched[sampled] >= 0).to(logits.dtype)  # [S]
    divisor = max(len(sampled), 1)
    objectness_loss = F.binary_cross_entropy_with_logits(logits, is_object, reduction="sum") / divisor
    wanted = target_deltas[positive]  # [P, 4]
    box_loss = smooth_l1(deltas[positive].to(exact(deltas)), wanted, beta).sum() / divisor
    return objectness_loss.to(objectness.dtype), box_loss.to(deltas.dtype)


def joint_loss(
    rpn_objectness: Tensor,
    rpn_box: Tensor,
    head_class: Tensor,
    head_box: Tensor,
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
) -> tuple[Tensor, dict[str, Tensor]]:
    """One number to minimise, and its four parts by name (Faster R-CNN, approximate joint training).

    Args:
        rpn_objectness: scalar, see :func:`rpn_loss`.
        rpn_box: scalar.
        head_class: scalar, see :func:`fast_rcnn_loss`.
        head_box: scalar.
        weights: of the four, in that order.

    Returns:
        The weighted sum, and the unweighted parts under the arguments' names.

    Raises:
        ValueError: a part that is not a scalar, or not four weights.
    """
    parts = {
        "rpn_objectness": rpn_objectness,
        "rpn_box": rpn_box,
        "head_class": head_class,
        "head_box": head_box,
    }
    check_tensors(**parts)
    for name, part in parts.items():
        if part.dim() != 0:
            raise ValueError(f"{name} must be a scalar, got {list(part.shape)}: reduce it first")
    if len(weights) != 4:
        raise ValueError(f"weights must be four numbers, got {len(weights)}")
    total = torch.stack([weight * part for weight, part in zip(weights, parts.values(), strict=True)]).sum()
    return total, parts


def check_head(class_logits: Tensor, deltas: Tensor) -> None:
    """Refuse anything but the outputs of a detection head: ``[R, K]`` logits and ``[R, K, 4]`` deltas."""
    check_floating(class_logits=class_logits, deltas=deltas)
    if class_logits.dim() != 2:
        raise ValueError(f"class_logits must be [R, K], got {list(class_logits.shape)}")
    if deltas.shape != (*class_logits.shape, 4):
        raise ValueError(
            f"deltas must be {[*class_logits.shape, 4]} (RoI, class, side), got {list(deltas.shape)}"
        )
