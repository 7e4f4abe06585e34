"""Every exercise's function stands in the library under its name, with its arguments: notebooks import them so."""

import importlib
import inspect

import pytest

NAMES = {
    "boxes": (
        "xyxy_to_cxcywh(boxes)", "cxcywh_to_xyxy(boxes_cxcywh)", "box_iou(boxes1, boxes2)",
        "sliding_windows(height, width, sizes, ratios, stride)", "nms(boxes, scores, iou_threshold)",
        "encode_boxes(gt, proposals, weights)", "decode_boxes(deltas, proposals, weights)",
        "ridge_regression(features, targets, l2)",
    ),
    "layers": (
        "conv_macs(in_channels, out_channels, kernel_size, out_height, out_width)",
        "linear_to_conv(linear, channels, height, width)", "conv_transpose2d(x, weight, stride=1, padding=0)",
        "bilinear_kernel(channels, factor)", "max_pool_with_switches(x, kernel_size)",
        "max_unpool(pooled, switches, output_size)", "fuse_skip(coarse, skip)",
        "warp_region(image, box, size, context=0)", "spatial_pyramid_pool(features, levels)",
        "roi_pool(features, rois, output_size, spatial_scale)", "bilinear_sample(features, y, x)",
        "roi_align(features, rois, output_size, spatial_scale, sampling_ratio=2, aligned=True)",
        "paste_masks(masks, boxes, image_size)",
    ),
    "losses": (
        "pixel_cross_entropy(logits, target, ignore_index=255)",
        "localisation_loss(class_logits, pred_boxes, labels, target_boxes, weight=1.0)",
        "hinge_loss(scores, targets, weight, c)", "hard_negatives(scores, is_negative, limit)",
        "smooth_l1(pred, target, beta=1.0)", "fast_rcnn_loss(class_logits, deltas, labels, target_deltas, beta=1.0)",
        f"rpn_loss(objectness, deltas, matched, target_deltas, sampled, beta={1 / 9})",
        "joint_loss(rpn_objectness, rpn_box, head_class, head_box, weights=(1.0, 1.0, 1.0, 1.0))",
        "mask_targets(gt_masks, boxes, matched, size)", "mask_loss(mask_logits, labels, targets)",
    ),
    "metrics": (
        "confusion_matrix(pred, target, num_classes, ignore_index=255)", "mean_iou(confusion)",
        "proposal_recall(proposals, gt_boxes, iou_threshold)",
        "match_detections(boxes, scores, gt_boxes, difficult, iou_threshold=0.5)",
        "average_precision(recall, precision, method)", "mask_iou(a, b)",
    ),
    "proposals": (
        "region_similarity(a, b, image_area)", "match_boxes(iou, high, low, force_best=False)",
        "sample_rois(matched, batch_size, positive_fraction, generator)", "cell_anchors(sizes, ratios)",
        "grid_anchors(feature_size, stride, cell)", "RPNHead(channels, anchors_per_cell)",
        "assign_anchors(anchors, gt_boxes, high=0.7, low=0.3)",
        "filter_proposals(objectness, deltas, anchors, image_size, pre_nms, post_nms, nms_threshold=0.7, min_size=1.0)",
    ),
    "models.patch_classifier": (
        "extract_patches(image, centers, size)", "segment_by_patches(image, classify, size, stride=1, batch_size=256)",
    ),
    "models.detect": (
        "detect(class_logits, deltas, proposals, image_size, score_threshold, nms_threshold, limit)",
    ),
}  # fmt: skip
SIGNATURES = [(package, signature) for package, signatures in NAMES.items() for signature in signatures]


def test_there_are_48():
    assert len({signature.partition("(")[0] for _, signature in SIGNATURES}) == 48


@pytest.mark.parametrize(("package", "signature"), SIGNATURES)
def test_name_and_arguments(package, signature):
    name = signature.partition("(")[0]
    function = getattr(importlib.import_module(f"detseg.{package}"), name)
    given = inspect.signature(function)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in given.parameters.values()]
    assert f"{name}{inspect.Signature(plain)}" == signature
    assert function.__doc__
