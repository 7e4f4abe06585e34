"""Losses: how wrong a prediction is."""

from detseg.losses.detection import check_head, fast_rcnn_loss
from detseg.losses.smooth_l1 import smooth_l1

__all__ = ["check_head", "fast_rcnn_loss", "smooth_l1"]
