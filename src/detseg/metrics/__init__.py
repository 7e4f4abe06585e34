"""Metrics: how good the answers are."""

from detseg.metrics.average_precision import average_precision, mean_average_precision
from detseg.metrics.match_detections import match_detections

__all__ = ["average_precision", "match_detections", "mean_average_precision"]
