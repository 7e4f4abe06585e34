"""Proposals: where to look, what each place stands for, and which of them to learn from."""

from detseg.proposals.anchors import assign_anchors, cell_anchors, grid_anchors
from detseg.proposals.matching import BACKGROUND, IGNORED, match_boxes
from detseg.proposals.region_proposal_network import RegionProposalNetwork, RPNHead, filter_proposals
from detseg.proposals.region_similarity import region_similarity
from detseg.proposals.sampling import sample_rois

__all__ = [
    "BACKGROUND",
    "IGNORED",
    "RPNHead",
    "RegionProposalNetwork",
    "assign_anchors",
    "cell_anchors",
    "filter_proposals",
    "grid_anchors",
    "match_boxes",
    "region_similarity",
    "sample_rois",
]
