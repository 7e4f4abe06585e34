"""Box regression targets: a box told relative to a proposal (R-CNN, Girshick 2014, appendix C)."""

import math

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes, xyxy_to_cxcywh
from detseg.tensors import check_tensors

HEAD_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Weights of the second stage: about 1 / the targets' standard deviation, to regress unit variance."""

LARGEST_LOG_SCALE = math.log(1000 / 16)
"""No decoded box is more than 62.5 times its proposal: an untrained network must not overflow ``exp``."""

Weights = tuple[float, float, float, float]


def _check_weights(weights: Weights) -> None:
    if len(weights) != 4 or not all(weight > 0 for weight in weights):
        raise ValueError(f"weights must be four positive numbers (x, y, width, height), got {tuple(weights)}")


def encode_boxes(gt: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    """What a network must predict at each proposal to land on its ground-truth box.

    The centre's shift in units of the proposal's sides, and the logarithm of the sides' ratio, times
    ``weights``.

    Args:
        gt: ``[N, 4]`` ground-truth boxes (x1, y1, x2, y2), pixels, one for each proposal.
        proposals: ``[N, 4]``, likewise.
        weights: four factors for dx, dy, dw, dh: (1, 1, 1, 1) in the RPN, (10, 10, 5, 5) in the head.

    Returns:
        Deltas ``[N, 4]`` as (dx, dy, dw, dh), float32 (the computation is float32 whatever comes in).

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; a box without positive width and height
            (its logarithm would be infinite); different numbers of boxes; weights that are not four
            positive numbers.
    """
    _check_weights(weights)
    check_boxes(gt, "gt", positive=True)
    check_boxes(proposals, "proposals", positive=True)
    check_tensors(proposals=proposals, gt=gt)
    if len(gt) != len(proposals):
        raise ValueError(
            f"gt and proposals go in pairs, got {len(gt)} and {len(proposals)}: index gt by the match"
        )
    gt_centre, gt_size = xyxy_to_cxcywh(gt.float()).split(2, dim=1)  # 2 x [N, 2]
    centre, size = xyxy_to_cxcywh(proposals.float()).split(2, dim=1)  # 2 x [N, 2]
    deltas = torch.cat([(gt_centre - centre) / size, (gt_size / size).log()], dim=1)  # [N, 4]
    return deltas * deltas.new_tensor(weights)


def decode_boxes(deltas: Tensor, proposals: Tensor, weights: Weights) -> Tensor:
    """Apply predicted deltas to proposals: the inverse of :func:`encode_boxes`.

    Args:
        deltas: ``[N, 4]``, or ``[N, K, 4]`` with one set for each class, as (dx, dy, dw, dh).
        proposals: ``[N, 4]`` as (x1, y1, x2, y2), pixels.
        weights: the four factors used to encode.

    Returns:
        Boxes (x1, y1, x2, y2) in pixels, of the shape of ``deltas``, float32, not clipped to any image. dw
        and dh are clamped above at log(1000 / 16).

    Raises:
        TypeError, ValueError: see :func:`detseg.boxes.check_boxes`; ``deltas`` of another shape or with NaN;
            weights that are not four positive numbers.
    """
    _check_weights(weights)
    check_boxes(proposals, "proposals")
    check_tensors(proposals=proposals, deltas=deltas)
    if deltas.dim() not in (2, 3) or deltas.shape[0] != len(proposals) or deltas.shape[-1] != 4:
        raise ValueError(
            f"deltas must be [{len(proposals)}, 4] or [{len(proposals)}, K, 4], got {list(deltas.shape)}"
        )
    if deltas.isnan().any():
        raise ValueError("deltas hold NaN: the network has diverged, lower the learning rate")
    centre, size = xyxy_to_cxcywh(proposals.float()).split(2, dim=1)  # 2 x [N, 2]
    if deltas.dim() == 3:
        centre, size = centre[:, None], size[:, None]  # 2 x [N, 1, 2]: the same proposal for every class
    shift, log_scale = (deltas.float() / deltas.new_tensor(weights, dtype=torch.float32)).split(
        2, dim=-1
    )  # [.., 2]
    new_centre = centre + shift * size
    new_size = size * log_scale.clamp(max=LARGEST_LOG_SCALE).exp()
    return torch.cat([new_centre - new_size / 2, new_centre + new_size / 2], dim=-1)  # [N, 4] or [N, K, 4]
