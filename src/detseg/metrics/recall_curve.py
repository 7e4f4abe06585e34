"""Recall against the number of proposals: the curve that proposal methods are compared by (Hosang et al. 2015)."""

from collections.abc import Sequence

from torch import Tensor

from detseg.metrics.proposal_recall import proposal_recall


def recall_curve(
    proposals: Sequence[Tensor],
    gt_boxes: Sequence[Tensor],
    counts: Sequence[int] = (10, 30, 100, 300, 1000),
    iou_threshold: float = 0.5,
) -> list[float]:
    """The recall of the first ``count`` proposals of each image, for each of ``counts``.

    Args:
        proposals: ``[P_i, 4]`` for each image, best first.
        gt_boxes: ``[G_i, 4]`` for each image.
        counts: numbers of proposals, not negative.
        iou_threshold: the IoU that counts as covered.

    Returns:
        A recall in [0, 1] for each count; NaN without ground truth.

    Raises:
        ValueError: a negative count; see also :func:`detseg.metrics.proposal_recall`.
    """
    if min(counts, default=0) < 0:
        raise ValueError(f"counts must not be negative, got {list(counts)}")
    return [
        proposal_recall([boxes[:count] for boxes in proposals], gt_boxes, iou_threshold) for count in counts
    ]
