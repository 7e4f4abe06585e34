"""Classification with localisation: one object, one box (OverFeat, Sermanet et al. 2013, section 4.2)."""

from torch import Tensor
from torch.nn import functional as F

from detseg.tensors import check_floating, check_labels, check_tensors, exact


def localisation_loss(
    class_logits: Tensor, pred_boxes: Tensor, labels: Tensor, target_boxes: Tensor, weight: float = 1.0
) -> Tensor:
    """Cross-entropy of the class plus the squared L2 distance of the box, both as means over the images.

    Args:
        class_logits: ``[N, K]``, class 0 is background; half precision is computed in float32, here and below.
        pred_boxes: ``[N, 4]``, in whatever unit the targets have.
        labels: int64 ``[N]``; an image of background (0) has no box, and adds 0 to the mean of the box term.
        target_boxes: ``[N, 4]``; rows of background are not looked at.
        weight: of the box term.

    Returns:
        A scalar in the dtype of ``class_logits``; 0 with a graph without images.

    Raises:
        TypeError: labels that are not int64, or anything else that is not floating point.
        ValueError: shapes that do not agree, or a label outside 0 .. K - 1.
    """
    check_floating(class_logits=class_logits, pred_boxes=pred_boxes, target_boxes=target_boxes)
    check_tensors(class_logits=class_logits, labels=labels)
    if class_logits.dim() != 2 or labels.shape != class_logits.shape[:1]:
        raise ValueError(
            f"class_logits and labels must be [N, K] and [N], got {list(class_logits.shape)}, {list(labels.shape)}"
        )
    count, classes = class_logits.shape
    if pred_boxes.shape != (count, 4) or target_boxes.shape != (count, 4):
        raise ValueError(
            f"pred_boxes and target_boxes must be [{count}, 4], "
            f"got {list(pred_boxes.shape)} and {list(target_boxes.shape)}"
        )
    check_labels(labels, classes)
    dtype = exact(class_logits, pred_boxes)
    class_loss = F.cross_entropy(class_logits.to(dtype), labels, reduction="sum")
    objects = labels > 0
    box_loss = (pred_boxes[objects].to(dtype) - target_boxes[objects]).square().sum()
    return ((class_loss + weight * box_loss) / max(count, 1)).to(class_logits.dtype)
