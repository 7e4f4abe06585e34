"""Every operation of the library with ordinary inputs, for tests that go through all of them."""

import torch

from detseg import boxes, layers, losses, metrics, proposals
from detseg.models.detect import detect
from detseg.models.patch_classifier import extract_patches, segment_by_patches
from detseg.models.sliding_window_classifier import crop_windows


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some_boxes(count, seed=0):
    corner = random(count, 2, seed=seed).abs() * 20
    return torch.cat([corner, corner + 4 + random(count, 2, seed=seed + 1).abs() * 10], dim=1)


MAPS = random(2, 6, 9, 13)
ROIS = torch.cat([torch.tensor([0.0, 1, 1, 0, 1])[:, None], some_boxes(5)], dim=1)
LABELS = torch.tensor([0, 2, 1, 0, 2])
POOLED, SWITCHES = layers.max_pool_with_switches(MAPS, 2)

OPERATIONS = {
    "xyxy_to_cxcywh": (boxes.xyxy_to_cxcywh, some_boxes(5)),
    "cxcywh_to_xyxy": (boxes.cxcywh_to_xyxy, some_boxes(5)),
    "clip_boxes": (lambda b: boxes.clip_boxes(b, (20, 30)), some_boxes(5)),
    "box_iou": (boxes.box_iou, some_boxes(5), some_boxes(7, 3)),
    "encode_boxes": (lambda a, b: boxes.encode_boxes(a, b, boxes.HEAD_WEIGHTS), some_boxes(5), some_boxes(5, 3)),
    "decode_boxes": (lambda a, b: boxes.decode_boxes(a, b, boxes.HEAD_WEIGHTS), random(5, 3, 4), some_boxes(5)),
    "nms": (lambda b, s: boxes.nms(b, s, 0.25), some_boxes(500), random(500)),
    "ridge_regression": (lambda x, y: boxes.ridge_regression(x, y, 1.0)[0], random(9, 3), random(9, 4)),
    "roi_pool": (lambda f, r: layers.roi_pool(f, r, (2, 3), 0.5), MAPS, ROIS),
    "roi_align": (lambda f, r: layers.roi_align(f, r, (2, 3), 0.5), MAPS, ROIS),
    "bilinear_sample": (layers.bilinear_sample, MAPS[0], random(4, 5) * 5, random(4, 5) * 6),
    "spatial_pyramid_pool": (lambda f: layers.spatial_pyramid_pool(f, (2, 1)), MAPS),
    "conv_transpose2d": (lambda x, w: layers.conv_transpose2d(x, w, 2, 1), MAPS, random(6, 3, 4, 4)),
    "fuse_skip": (layers.fuse_skip, MAPS, random(2, 6, 17, 27)),
    "max_unpool": (lambda p, s: layers.max_unpool(p, s, (9, 13)), POOLED, SWITCHES),
    "smooth_l1": (losses.smooth_l1, random(5, 4), random(5, 4, seed=1)),
    "fast_rcnn_loss": (lambda *x: sum(losses.fast_rcnn_loss(*x)), random(5, 3), random(5, 3, 4), LABELS, random(5, 4)),
    "rpn_loss": (
        lambda *x: sum(losses.rpn_loss(*x)),
        random(5), random(5, 4), LABELS - 1, random(5, 4), torch.tensor([0, 2, 4]),
    ),
    "pixel_cross_entropy": (losses.pixel_cross_entropy, MAPS, torch.arange(2 * 9 * 13).view(2, 9, 13) % 6),
    "localisation_loss": (losses.localisation_loss, random(5, 3), random(5, 4), LABELS, random(5, 4, seed=1)),
    "hinge_loss": (lambda s, t, w: losses.hinge_loss(s, t, w, 0.5), random(5), random(5, seed=1).sign(), random(3)),
    "hard_negatives": (lambda s, n: losses.hard_negatives(s, n, 3), random(9), random(9, seed=1) > 0),
    "mask_targets": (lambda *x: losses.mask_targets(*x, 5), random(3, 30, 40) > 0, some_boxes(5), LABELS),
    "mask_loss": (losses.mask_loss, random(5, 4, 7, 7), LABELS + 1, (random(5, 7, 7) > 0).float()),
    "match_boxes": (lambda x: proposals.match_boxes(x, 0.5, 0.25, True), random(3, 9).sigmoid()),
    "sample_rois": (lambda m: proposals.sample_rois(m, 4, 0.5, torch.Generator().manual_seed(0)), LABELS - 1),
    "grid_anchors": (lambda c: proposals.grid_anchors((2, 3), 8, c), some_boxes(2)),
    "assign_anchors": (lambda a, g: proposals.assign_anchors(a, g)[1], some_boxes(9), some_boxes(2, 3)),
    "match_detections": (metrics.match_detections, some_boxes(9), random(9), some_boxes(4), random(4) > 1),
    "average_precision": (
        lambda r, p: torch.tensor(metrics.average_precision(r, p, "coco")), torch.arange(5) / 5, torch.ones(5)
    ),
    "confusion_matrix": (lambda p, t: metrics.confusion_matrix(p, t, 3), LABELS, LABELS.flip(0)),
    "mask_iou": (metrics.mask_iou, random(3, 4, 5) > 0, random(2, 4, 5) > 0),
    "warp_region": (lambda i, b: layers.warp_region(i, b, 5, 1), MAPS[0], torch.tensor([1.5, 2, 11, 7])),
    "paste_masks": (lambda m, b: layers.paste_masks(m, b, (20, 30)), random(5, 4, 4).sigmoid(), some_boxes(5)),
    "max_pool_with_switches": (lambda x: layers.max_pool_with_switches(x, 2)[0], MAPS),
    "mean_iou": (lambda c: metrics.mean_iou(c)[1], torch.arange(9).view(3, 3)),
    "proposal_recall": (
        lambda p, g: torch.tensor(metrics.proposal_recall([p], [g], 0.5)), some_boxes(5), some_boxes(5, 1)
    ),
    "extract_patches": (lambda i, c: extract_patches(i, c, 3), MAPS[0], torch.tensor([[0, 1], [8, 12]])),
    "segment_by_patches": (lambda i: segment_by_patches(i, lambda p: p.flatten(2).amax(2), 3, 2), MAPS[0]),
    "crop_windows": (lambda i, w: crop_windows(i, w, 4), MAPS[0], some_boxes(3)),
    "filter_proposals": (
        lambda *x: proposals.filter_proposals(*x, (30, 40), 50, 20)[0],
        random(50), random(50, 4) / 4, some_boxes(50),
    ),
    "joint_loss": (lambda a, b: losses.joint_loss(a, b, a, b)[0], random(2)[0], random(3)[2]),
    "detect": (lambda *x: detect(*x, (30, 40), 0.1, 0.5, 9)[0], random(5, 3), random(5, 3, 4), some_boxes(5)),
}  # fmt: skip
