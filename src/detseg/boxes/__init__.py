"""Boxes: formats, overlap, coding, suppression."""

from detseg.boxes.coding import HEAD_WEIGHTS, decode_boxes, encode_boxes
from detseg.boxes.geometry import (
    check_boxes,
    check_image_size,
    check_scores,
    clip_boxes,
    cxcywh_to_xyxy,
    xyxy_to_cxcywh,
)
from detseg.boxes.iou import box_iou
from detseg.boxes.nms import nms
from detseg.boxes.ridge_regression import ridge_regression
from detseg.boxes.sliding_windows import sliding_windows

__all__ = [
    "HEAD_WEIGHTS",
    "box_iou",
    "check_boxes",
    "check_image_size",
    "check_scores",
    "clip_boxes",
    "cxcywh_to_xyxy",
    "decode_boxes",
    "encode_boxes",
    "nms",
    "ridge_regression",
    "sliding_windows",
    "xyxy_to_cxcywh",
]
