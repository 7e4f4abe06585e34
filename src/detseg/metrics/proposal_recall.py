"""How many objects a set of proposals covers: the upper limit of any detector built on it (Uijlings et al. 2013)."""

from collections.abc import Sequence

from torch import Tensor

from detseg.boxes.geometry import check_boxes
from detseg.boxes.iou import box_iou


def proposal_recall(proposals: Sequence[Tensor], gt_boxes: Sequence[Tensor], iou_threshold: float) -> float:
    """The share of all ground-truth boxes that some proposal of their image overlaps enough.

    Args:
        proposals: ``[P_i, 4]`` for each image; one proposal may cover several boxes.
        gt_boxes: ``[G_i, 4]`` for each image.
        iou_threshold: the IoU that counts as covered.

    Returns:
        A number in [0, 1]; NaN without ground truth.

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; different numbers of images.
    """
    if len(proposals) != len(gt_boxes):
        raise ValueError(f"one entry for each image is needed, got {len(proposals)} and {len(gt_boxes)}")
    covered = total = 0
    for image, (boxes, gt) in enumerate(zip(proposals, gt_boxes, strict=True)):
        check_boxes(boxes, f"proposals of image {image}")
        check_boxes(gt, f"gt_boxes of image {image}")
        covered += int((box_iou(gt, boxes) >= iou_threshold).any(1).sum())
        total += len(gt)
    return covered / total if total else float("nan")
