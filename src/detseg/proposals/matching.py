"""Which ground-truth box each proposal or anchor stands for (Faster R-CNN, Ren 2015, section 3.1.2)."""

import torch
from torch import Tensor

from detseg.tensors import check_floating

BACKGROUND = -1
IGNORED = -2


def match_boxes(iou: Tensor, high: float, low: float, force_best: bool = False) -> Tensor:
    """Match every proposal to the ground-truth box it overlaps most.

    Args:
        iou: ``[M_gt, N]``, one row for each ground-truth box, as ``box_iou(gt_boxes, proposals)`` gives it.
        high: IoU from which a proposal is positive (0.5 in the head, 0.7 in the RPN).
        low: IoU below which it is background; between the two it is ignored.
        force_best: also make the best proposal of each ground-truth box positive, however small its IoU, as
            long as it is above 0; every proposal that ties for best. Such a proposal is matched to its own
            best box.

    Returns:
        int64 ``[N]``: the ground-truth index, or -1 for background, -2 for ignored. Without ground truth,
        all -1.

    Raises:
        TypeError: ``iou`` is not floating point.
        ValueError: ``iou`` is not a finite ``[M_gt, N]``, or ``low`` exceeds ``high``.
    """
    check_floating(iou=iou)
    if iou.dim() != 2:
        raise ValueError(f"iou must be [M_gt, N], got {list(iou.shape)}: use box_iou(gt_boxes, proposals)")
    if not iou.isfinite().all():
        row, column = (~iou.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"iou[{row}, {column}] is {iou[row, column]}: box_iou gives 0 where nothing overlaps"
        )
    if low > high:
        raise ValueError(f"low must not exceed high, got low={low}, high={high}")
    if len(iou) == 0:
        return torch.full((iou.shape[1],), BACKGROUND, dtype=torch.int64, device=iou.device)
    best_iou, best_gt = iou.max(dim=0)  # 2 x [N]
    matched = best_gt.masked_fill(best_iou < high, IGNORED).masked_fill(best_iou < low, BACKGROUND)
    if force_best and iou.shape[1] > 0:
        best_of_gt = iou.amax(dim=1, keepdim=True)  # [M_gt, 1]
        forced = ((iou == best_of_gt) & (iou > 0)).any(0)  # [N]
        matched = torch.where(forced, best_gt, matched)
    return matched
