"""Every operation with input that is wrong, or merely unusual: it must be named, or make no difference."""

import numpy as np
import pytest
import torch
from operations import MAPS, OPERATIONS, some_boxes

from autograder.checking.pretend_gpu import PretendGPU
from detseg import boxes, layers, losses, metrics, proposals
from detseg.models.backbone import backbone
from detseg.models.fast_rcnn import FastRCNN
from detseg.models.faster_rcnn import FasterRCNN
from detseg.models.patch_classifier import PatchClassifier, segment_by_patches
from detseg.models.sliding_window_classifier import crop_windows
from detseg.proposals.edge_boxes import edge_boxes
from detseg.proposals.graph_segmentation import graph_segmentation
from detseg.proposals.objectness import objectness
from detseg.proposals.selective_search import group_regions, selective_search
from detseg.viewing import boxes as pictures
from detseg.viewing import show_losses, show_pyramid, show_roi_bins, show_training

EACH_INPUT = [(name, index) for name in OPERATIONS for index in range(len(OPERATIONS[name]) - 1)]
EACH_FLOATING = [
    (name, index) for name, index in EACH_INPUT if OPERATIONS[name][index + 1].is_floating_point()
]
each_input = pytest.mark.parametrize(("name", "index"), EACH_INPUT)
each_floating = pytest.mark.parametrize(("name", "index"), EACH_FLOATING)

FLOAT32_ALWAYS = (
    "box_iou",
    "encode_boxes",
    "decode_boxes",
    "detect",
    "filter_proposals",
    "assign_anchors",
    "mask_targets",
)
"""Boxes and their deltas need more bits than half precision has; these return float32 whatever comes in."""
NOT_FLOATING = ("average_precision", "proposal_recall", "mean_iou")
"""Return a number, or float64."""


def with_one(name, index, change):
    """The operation and its inputs, one of them changed."""
    operation, *inputs = OPERATIONS[name]
    inputs[index] = change(inputs[index])
    return operation, inputs


def outcome(operation, inputs):
    """What it returns, or what it raises of the two errors that name bad input."""
    try:
        return operation(*inputs)
    except (TypeError, ValueError) as error:
        return error


@each_input
def test_a_list_is_named(name, index):
    operation, inputs = with_one(name, index, lambda x: x.tolist())
    with pytest.raises(
        TypeError, match=r"^[\w ]+ must be a torch.Tensor, got (list|float): use torch.as_tensor"
    ):
        operation(*inputs)


@pytest.mark.parametrize(("name", "index"), [pair for pair in EACH_INPUT if len(OPERATIONS[pair[0]]) > 2])
def test_mixed_devices_are_named(name, index):
    with PretendGPU():
        operation, inputs = with_one(name, index, lambda x: x.to("cuda"))
        words = r"(\w+) is on (cuda:0|cpu), (\w+) on (cuda:0|cpu): use \1\.to\(\3\.device\)"
        with pytest.raises(ValueError, match=words):
            operation(*inputs)


@pytest.mark.parametrize(("name", "index"), [pair for pair in EACH_INPUT if pair[0] != "clip_boxes"])
def test_a_dimension_too_many_is_named(name, index):
    operation, inputs = with_one(name, index, lambda x: x[None])
    with pytest.raises(ValueError, match=r"must .*got \["):
        operation(*inputs)


@each_floating
def test_integers_are_named_or_count_as_the_same_numbers(name, index):
    operation, inputs = with_one(name, index, lambda x: x.round().to(torch.int32))
    found = outcome(operation, inputs)
    if isinstance(found, TypeError):
        assert "must be floating point, got torch.int32" in str(found)
        return
    inputs[index] = inputs[index].float()
    torch.testing.assert_close(found, operation(*inputs), check_dtype=False, equal_nan=True)


@each_floating
def test_nan_is_named_or_stays_to_be_seen(name, index):
    operation, inputs = with_one(name, index, lambda x: x * float("nan"))
    found = outcome(operation, inputs)
    if isinstance(found, ValueError):
        assert any(word in str(found) for word in ("NaN", "nan", "finite", "must be -1 or +1"))
    else:
        assert found.isnan().any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", sorted({name for name, _ in EACH_FLOATING}))
def test_half_precision_is_computed_in_float32(name, dtype):
    operation, *inputs = OPERATIONS[name]
    inputs = [x.to(dtype) if x.is_floating_point() else x for x in inputs]
    found = operation(*inputs)
    precise = operation(*(x.float() if x.is_floating_point() else x for x in inputs))
    if found.is_floating_point() and name not in NOT_FLOATING:
        assert found.dtype == (torch.float32 if name in FLOAT32_ALWAYS else dtype)
    # Rounded once, at the end; fuse_skip and hinge_loss are sums, rounded twice.
    bits = torch.finfo(dtype).eps
    torch.testing.assert_close(found.to(precise.dtype), precise, rtol=2 * bits, atol=2 * bits)


@pytest.mark.parametrize("name", sorted({name for name, _ in EACH_FLOATING} - set(NOT_FLOATING)))
def test_float64_is_kept(name):
    operation, *inputs = OPERATIONS[name]
    found = operation(*(x.double() if x.is_floating_point() else x for x in inputs))
    if found.is_floating_point():
        assert found.dtype == (torch.float32 if name in FLOAT32_ALWAYS[1:] else torch.float64)


@pytest.mark.parametrize("name", OPERATIONS)
def test_memory_order_makes_no_difference(name):
    operation, *inputs = OPERATIONS[name]
    expected = operation(*inputs)

    def every_second(x):
        return torch.stack([x, x + x], dim=-1)[..., 0]

    def transposed(x):
        return x.transpose(0, -1).contiguous().transpose(0, -1) if x.dim() else x

    for reorder in (every_second, transposed):
        torch.testing.assert_close(operation(*map(reorder, inputs)), expected, equal_nan=True)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_inputs_are_left_alone(name):
    operation, *inputs = OPERATIONS[name]
    before = [x.clone() for x in inputs]
    operation(*inputs)
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))


def test_a_sum_beyond_half_precision_is_no_infinity():
    logits = torch.full((200, 2, 28, 28), 3.0, dtype=torch.float16)
    labels, targets = torch.ones(200, dtype=torch.int64), torch.zeros(200, 28, 28)
    assert losses.mask_loss(logits, labels, targets) == pytest.approx(3.05, abs=0.01)
    scores = torch.full((9000, 2), 0.0, dtype=torch.float16)
    scores[:, 1] = 20
    class_loss, _ = losses.fast_rcnn_loss(
        scores, torch.zeros(9000, 2, 4), torch.zeros(9000, dtype=torch.int64), torch.zeros(9000, 4)
    )
    assert class_loss == 20


def test_a_roi_beyond_all_measure_covers_the_map():
    rois = torch.tensor([[1, -1e30, -1e30, 1e30, 1e30], [0, 1e30, 1e30, 2e30, 3e30]])
    pooled = layers.roi_pool(MAPS, rois, 1, 0.5)
    assert torch.equal(pooled[0, :, 0, 0], MAPS[1].amax((1, 2)))
    assert (pooled[1] == 0).all()


IMAGE = np.zeros((20, 30, 3), np.uint8)
ONE = torch.ones(1, dtype=torch.int64)
SCENE = torch.zeros(3, 20, 30, dtype=torch.uint8)
REGION = {"colour": torch.ones(1), "texture": torch.ones(1), "size": 3, "box": torch.zeros(4)}
CALLS = {
    "edge boxes, floats": (lambda: edge_boxes(IMAGE / 255), TypeError, r"^image must be uint8.*got float64"),
    "edge boxes, a batch": (lambda: edge_boxes(SCENE[None]), ValueError, r"^a tensor image must be \[3, H, W\]"),
    "edge boxes, no growth": (lambda: edge_boxes(IMAGE, growth=1.0), ValueError, "growth above 1, got .* 1.0"),
    "edge boxes, no step": (lambda: edge_boxes(IMAGE, step=0.0), ValueError, "step must be positive"),
    "edge boxes, limit": (lambda: edge_boxes(IMAGE, limit=-1), ValueError, "limit must not be negative, got -1"),
    "objectness, a list": (lambda: objectness([[1]], some_boxes(1)), TypeError, "^image must be a tensor or a numpy"),
    "objectness, ring": (lambda: objectness(IMAGE, some_boxes(1), ring=-1.0), ValueError, "ring must not"),
    "objectness, grey": (lambda: objectness(IMAGE[..., 0], some_boxes(1)), ValueError, r"\[H, W, 3\] .*\[20, 30\]"),
    "selective search, limit": (lambda: selective_search(IMAGE, limit=-2), ValueError, "limit must not be negative"),
    "selective search, scale": (lambda: selective_search(IMAGE, scales=(0.0,)), ValueError, "scale must be positive"),
    "groups, letters": (
        lambda: group_regions(IMAGE, np.zeros((20, 30), int), "CX"), ValueError, "^a similarity is made of.*'CX'"
    ),
    "segments, floats": (lambda: graph_segmentation(IMAGE / 2), TypeError, "uint8"),
    "segments, no pixels": (lambda: graph_segmentation(IMAGE[:0]), ValueError, r"with pixels, got \[0, 30, 3\]"),
    "similarity, entry": (lambda: proposals.region_similarity(REGION, {}, 9), ValueError, "b has no box, colour"),
    "similarity, lengths": (
        lambda: proposals.region_similarity(REGION, {**REGION, "texture": torch.ones(2)}, 9),
        ValueError, r"texture histograms must have one length, got \[1\] and \[2\]",
    ),
    "average precision, counts": (
        lambda: metrics.average_precision(torch.arange(3.0), torch.ones(3), "coco"), ValueError, r"recall .*\[0, 1\]"
    ),
    "recall, second image": (
        lambda: metrics.proposal_recall([some_boxes(1)] * 2, [some_boxes(1), torch.zeros(2, 5)], 0.5),
        ValueError, "gt_boxes of image 1 must",
    ),
    "ridge, which example": (
        lambda: boxes.ridge_regression(torch.tensor([[1.0], [float("inf")]]), torch.zeros(2, 4), 1.0),
        ValueError, r"features\[1\] is not finite",
    ),
    "match, which pair": (
        lambda: proposals.match_boxes(torch.tensor([[0.5, float("nan")]]), 0.5, 0.5), ValueError, r"iou\[0, 1\] is nan"
    ),
    "anchors, one number": (lambda: proposals.grid_anchors((3,), 8, some_boxes(1)), ValueError, "feature_size must be"),
    "transposed, no cells": (
        lambda: layers.conv_transpose2d(MAPS[..., :0], torch.zeros(6, 1, 2, 2)), ValueError, "H, W > 0"
    ),
    "crops, no size": (lambda: crop_windows(MAPS[0], some_boxes(2), 0), ValueError, "size at least 1"),
    "patches, scores": (
        lambda: segment_by_patches(MAPS[0], lambda p: p[:, 0, 0, 0], 3), ValueError, r"classify must return \[117, K\]"
    ),
    "patches, no pixels": (lambda: segment_by_patches(MAPS[0][:, :0], None, 3), ValueError, "with pixels"),
    "patches, labels": (
        lambda: PatchClassifier(backbone(False), 2, 9).losses(torch.zeros(1, 3, 9, 9), ONE * 2, None),
        ValueError, r"labels must be 0 \.\. 1, got \[2\]",
    ),
    "detector, grey": (
        lambda: FasterRCNN(backbone(False)).predict(torch.zeros(1, 1, 32, 32)), ValueError, r"\[N, 3, H, W\]"
    ),
    "detector, no labels": (
        lambda: FasterRCNN(backbone(False)).losses(torch.zeros(1, 3, 32, 32), [{"boxes": torch.zeros(0, 4)}], None),
        ValueError, "target 0: the target has no 'labels'",
    ),
    "detector, a box outside": (
        lambda: FastRCNN(backbone(False)).losses(
            torch.zeros(1, 3, 20, 32), [{"boxes": torch.tensor([[0.0, 0, 9, 21]]), "labels": ONE}],
            [some_boxes(1)], None,
        ),
        ValueError, r"target 0: boxes\[0\] .* leaves the picture of height 20 and width 32",
    ),
    "picture, normalised": (lambda: pictures.show_coverage(SCENE.float(), some_boxes(1)), ValueError, "must be uint8"),
    "picture, labels": (
        lambda: pictures.show_scenes([SCENE], [(some_boxes(1), torch.ones(1), ONE * 7)], ("none", "cow")),
        ValueError, "label 7 has no name: there are 2 classes",
    ),
    "picture, titles": (
        lambda: pictures.show_scenes([SCENE], [(some_boxes(1), torch.ones(1), ONE)], ("none", "cow"), titles=()),
        ValueError, "titles must have one entry for each of 1 images",
    ),
    "bins, roi": (lambda: show_roi_bins(MAPS[0, 0], (1, 2, float("nan"), 4)), ValueError, r"roi\[0\] is not finite"),
    "bins, three numbers": (lambda: show_roi_bins(MAPS[0, 0], (1, 2, 3)), ValueError, "roi must be"),
    "bins, no grid": (lambda: show_roi_bins(MAPS[0, 0], (1, 2, 3, 4), (0, 2)), ValueError, "output_size must be"),
    "pyramid, no levels": (lambda: show_pyramid(MAPS[0, 0], ()), ValueError, "levels must be"),
    "losses, off the axis": (lambda: show_losses(1.0, 7.0), ValueError, "-5 to 5; got 7"),
    "training, no mean": (lambda: show_training({"a": [1.0]}, smooth=0), ValueError, "smooth must be at least 1"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_what_is_wrong_is_named(call):
    function, error, words = CALLS[call]
    with pytest.raises(error, match=words):
        function()


def test_proposals_beyond_the_border_do_not_wrap_around():
    picture = pictures.show_coverage(SCENE, torch.tensor([[-9.0, -9.0, 3.0, 2.0]]))
    assert "1 at row 0, column 0" in picture.alt


def test_pictures_of_a_map_on_a_gpu_or_in_half_precision():
    expected = show_roi_bins(MAPS[0, 0].half().float(), (1, 2, 9, 8)).alt
    assert show_roi_bins(MAPS[0, 0].half(), (1, 2, 9, 8)).alt == expected
