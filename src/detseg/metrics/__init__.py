"""Metrics: how good the answers are."""

from detseg.metrics.average_precision import average_precision, mean_average_precision
from detseg.metrics.coco import CocoScores, coco_scores
from detseg.metrics.confusion_matrix import confusion_matrix
from detseg.metrics.mask_iou import mask_iou
from detseg.metrics.match_detections import match_detections
from detseg.metrics.mean_iou import mean_iou
from detseg.metrics.proposal_recall import proposal_recall

__all__ = [
    "CocoScores",
    "average_precision",
    "coco_scores",
    "confusion_matrix",
    "mask_iou",
    "match_detections",
    "mean_average_precision",
    "mean_iou",
    "proposal_recall",
]
