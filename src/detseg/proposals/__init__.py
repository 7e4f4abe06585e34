"""Proposals: where to look, what each place stands for, and which of them to learn from."""

from detseg.proposals.matching import BACKGROUND, IGNORED, match_boxes
from detseg.proposals.sampling import sample_rois

__all__ = ["BACKGROUND", "IGNORED", "match_boxes", "sample_rois"]
