"""From a head's raw outputs to detections (Fast R-CNN, Girshick 2015, section 3.3)."""

import torch
from torch import Tensor

from detseg.boxes import HEAD_WEIGHTS, check_boxes, clip_boxes, decode_boxes, nms
from detseg.losses.detection import check_head
from detseg.tensors import check_tensors, exact


def detect(
    class_logits: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    image_size: tuple[int, int],
    score_threshold: float,
    nms_threshold: float,
    limit: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn one image's class logits and deltas into a list of detections.

    Softmax over the classes; each class decodes its own boxes and clips them to the image; scores above the
    threshold go through NMS class by class, for a horse does not suppress its rider; the best ``limit`` of
    all remain.

    Args:
        class_logits: ``[R, K]``, class 0 is background; half precision is computed in float32.
        deltas: ``[R, K, 4]`` in the head's coding, weights (10, 10, 5, 5).
        proposals: ``[R, 4]`` as (x1, y1, x2, y2), pixels.
        image_size: ``(height, width)``, pixels.
        score_threshold: a detection must score strictly more.
        nms_threshold: see :func:`detseg.boxes.nms`.
        limit: the most detections to return for the image.

    Returns:
        ``(boxes [D, 4], scores [D], labels int64 [D])`` by decreasing score, D <= ``limit``. Boxes are float32, scores
        have the dtype of ``class_logits``.

    Raises:
        TypeError, ValueError: shapes that do not agree; logits or deltas that are not finite; see also
            :func:`detseg.boxes.check_boxes` and :func:`detseg.boxes.nms`; a negative ``limit``.
    """
    check_head(class_logits, deltas)
    check_boxes(proposals, "proposals")
    check_tensors(class_logits=class_logits, proposals=proposals)
    if len(proposals) != len(class_logits):
        raise ValueError(
            f"proposals must be [{len(class_logits)}, 4], a row for each RoI, got {list(proposals.shape)}"
        )
    for name, values in (("class_logits", class_logits), ("deltas", deltas)):
        if not values.isfinite().all():
            raise ValueError(
                f"{name} holds NaN or infinity: the network has diverged, lower the learning rate"
            )
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    all_scores = class_logits.to(exact(class_logits)).softmax(dim=1)  # [R, K]
    all_boxes = clip_boxes(decode_boxes(deltas, proposals, HEAD_WEIGHTS), image_size)  # [R, K, 4]
    boxes, scores, labels = (
        [all_boxes[:0, 0]],
        [all_scores[:0, 0]],
        [proposals.new_zeros(0, dtype=torch.int64)],
    )
    for label in range(1, class_logits.shape[1]):
        candidate = torch.where(all_scores[:, label] > score_threshold)[0]  # [C]
        kept = candidate[
            nms(all_boxes[candidate, label], all_scores[candidate, label], nms_threshold)
        ]  # [D_label]
        boxes.append(all_boxes[kept, label])
        scores.append(all_scores[kept, label])
        labels.append(torch.full_like(kept, label))
    best = torch.cat(scores).argsort(descending=True, stable=True)[:limit]  # [D]
    return torch.cat(boxes)[best], torch.cat(scores)[best].to(class_logits.dtype), torch.cat(labels)[best]
