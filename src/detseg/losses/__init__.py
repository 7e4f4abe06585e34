"""Losses: how wrong a prediction is."""

from detseg.losses.detection import check_head, fast_rcnn_loss, joint_loss, rpn_loss
from detseg.losses.hinge import hard_negatives, hinge_loss
from detseg.losses.localisation import localisation_loss
from detseg.losses.mask import mask_loss, mask_targets
from detseg.losses.pixel_cross_entropy import pixel_cross_entropy
from detseg.losses.smooth_l1 import smooth_l1

__all__ = [
    "check_head",
    "fast_rcnn_loss",
    "hard_negatives",
    "hinge_loss",
    "joint_loss",
    "localisation_loss",
    "mask_loss",
    "mask_targets",
    "pixel_cross_entropy",
    "rpn_loss",
    "smooth_l1",
]
