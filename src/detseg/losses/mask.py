"""The mask head's targets and loss (Mask R-CNN, He et al. 2017, section 3): a mask for each class, no competition."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.boxes.geometry import check_boxes
from detseg.layers.roi_align import roi_align
from detseg.tensors import check_floating, check_labels, check_tensors, exact


def mask_targets(gt_masks: Tensor, boxes: Tensor, matched: Tensor, size: int) -> Tensor:
    """The part of its ground-truth mask that each box sees, in the mask head's resolution.

    Args:
        gt_masks: bool (or 0 / 1) ``[G, H, W]``, one for each object of the image.
        boxes: ``[R, 4]`` as (x1, y1, x2, y2), pixels.
        matched: int64 ``[R]``, the object of each box.
        size: m, the side of the head's masks.

    Returns:
        float32 ``[R, m, m]`` of 0 and 1: RoIAlign of the mask, at least one half.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; masks or ``matched`` of another shape;
            a match that names no mask (drop background boxes first).
    """
    check_boxes(boxes)
    check_tensors(boxes=boxes, gt_masks=gt_masks, matched=matched)
    if matched.dtype != torch.int64:
        raise TypeError(f"matched must be int64, got {matched.dtype}: use match_boxes")
    if gt_masks.dim() != 3 or matched.shape != boxes.shape[:1]:
        raise ValueError(
            f"gt_masks and matched must be [G, H, W] and [{len(boxes)}], "
            f"got {list(gt_masks.shape)} and {list(matched.shape)}"
        )
    if ((matched < 0) | (matched >= len(gt_masks))).any():
        raise ValueError(
            f"matched must be 0 .. {len(gt_masks) - 1}, got {matched.unique().tolist()}: drop background boxes first"
        )
    if len(boxes) == 0:
        return boxes.new_zeros(0, size, size, dtype=torch.float32)
    rois = torch.cat(
        [matched[:, None].float(), boxes.float()], dim=1
    )  # [R, 5]: the mask takes the image's place
    seen = roi_align(gt_masks[:, None].float(), rois, size, spatial_scale=1.0)  # [R, 1, m, m]
    return (seen[:, 0] >= 0.5).float()  # [R, m, m]


def mask_loss(mask_logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Sigmoid cross-entropy of the true class's mask, as a mean over RoIs and pixels.

    Args:
        mask_logits: ``[R, K, m, m]``, a mask for each class; half precision is computed in float32.
        labels: int64 ``[R]``, the true classes, 1 .. K - 1: only positive RoIs have a mask.
        targets: ``[R, m, m]`` of 0 and 1.

    Returns:
        A scalar in the dtype of ``mask_logits``; 0 with a graph without RoIs.

    Raises:
        TypeError: logits that are not floating point, or labels that are not int64.
        ValueError: shapes that do not agree, or a label outside 1 .. K - 1.
    """
    check_floating(mask_logits=mask_logits)
    check_tensors(mask_logits=mask_logits, labels=labels, targets=targets)
    if mask_logits.dim() != 4 or labels.shape != mask_logits.shape[:1]:
        raise ValueError(
            f"mask_logits and labels must be [R, K, m, m] and [R], got {list(mask_logits.shape)}, {list(labels.shape)}"
        )
    count, classes, height, width = mask_logits.shape
    if targets.shape != (count, height, width):
        raise ValueError(f"targets must be {[count, height, width]}, got {list(targets.shape)}")
    check_labels(labels, classes, lowest=1)
    own_class = mask_logits[torch.arange(count, device=labels.device), labels]  # [R, m, m]
    dtype = exact(mask_logits)
    loss = F.binary_cross_entropy_with_logits(own_class.to(dtype), targets.to(dtype), reduction="sum")
    return (loss / max(targets.numel(), 1)).to(mask_logits.dtype)
