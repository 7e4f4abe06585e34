import math
from dataclasses import asdict

import pytest
import torch

from detseg.metrics import coco_scores
from detseg.metrics.coco import IOU_THRESHOLDS, match_coco
from detseg.metrics.coco_library import pycocotools_scores

IMAGE = (150, 220)  # height, width


def random_boxes(count, generator):
    """Boxes of all three sizes of COCO, inside the image, no side as long as another."""
    wide = torch.exp(1.5 + 3.5 * torch.rand(count, generator=generator)).clamp(max=210)
    high = (wide * (0.4 + 0.5 * torch.rand(count, generator=generator))).clamp(max=140)
    x = torch.rand(count, generator=generator) * (IMAGE[1] - wide)
    y = torch.rand(count, generator=generator) * (IMAGE[0] - high)
    return torch.stack([x, y, x + wide, y + high], dim=1)


def scenes(seed, classes=4, crowds=False, counts=(5, 0, 8, 3)):
    """Objects, and detections of all qualities: shifted a little or much, doubled, misnamed, and out of the blue."""
    generator = torch.Generator().manual_seed(seed)
    detections, targets = [], []
    for count in counts:
        boxes = random_boxes(count, generator)
        labels = torch.randint(1, classes, (count,), generator=generator)
        target = {"boxes": boxes, "labels": labels}
        if crowds:
            target["crowd"] = torch.rand(count, generator=generator) < 0.3
            area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
            target["area"] = area * (0.5 + 0.5 * torch.rand(count, generator=generator))
        targets.append(target)
        size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        near = [
            boxes + size * spread * torch.randn(count, 4, generator=generator)
            for spread in (0.02, 0.05, 0.1, 0.2)
        ]
        found = torch.cat([*near, random_boxes(4, generator)])
        found = torch.cat([found[:, :2], torch.maximum(found[:, 2:], found[:, :2] + 1)], dim=1)
        names = torch.cat([labels.repeat(4), torch.randint(1, classes, (4,), generator=generator)])
        names[torch.rand(len(names), generator=generator) < 0.1] = 1
        detections.append((found, torch.rand(len(found), generator=generator), names))
    return detections, targets


def with_masks(detections, targets):
    """The same with ellipses in the boxes."""

    def ellipses(boxes):
        y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in IMAGE), indexing="ij")
        centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 + 0.5
        away = (torch.stack([x, y]) - centre[:, :, None, None]) / half[:, :, None, None]  # [N, 2, H, W]
        return away.square().sum(1) < 1

    targets = [{**target, "instance_masks": ellipses(target["boxes"])} for target in targets]
    return [(ellipses(boxes), *rest) for boxes, *rest in detections], targets


def assert_equal(detections, targets, classes, masks=False):
    ours = asdict(coco_scores(detections, targets, classes, masks))
    theirs = asdict(pycocotools_scores(detections, targets, classes, masks))
    assert ours.pop("ap_of_class") == pytest.approx(theirs.pop("ap_of_class"), abs=1e-9, nan_ok=True)
    assert ours == pytest.approx(theirs, abs=1e-9, nan_ok=True)
    return ours


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_boxes_equal_pycocotools(seed, crowds):
    found = assert_equal(*scenes(seed, crowds=crowds), classes=4)
    assert 0.1 < found["ap"] < found["ap50"] < 1  # the scenes are neither hopeless nor trivial


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_masks_equal_pycocotools(seed, crowds):
    found = assert_equal(*with_masks(*scenes(seed, crowds=crowds)), classes=4, masks=True)
    assert 0.1 < found["ap"] < found["ap50"] < 1


def test_more_than_a_hundred_detections_of_a_class():
    generator = torch.Generator().manual_seed(3)
    gt = random_boxes(30, generator)
    boxes = torch.cat([gt + 0.3 * torch.randn(30, 4, generator=generator) for _ in range(5)])
    scores = torch.rand(150, generator=generator)
    label = torch.ones(150, dtype=torch.int64)
    found = assert_equal([(boxes, scores, label)], [{"boxes": gt, "labels": label[:30]}], classes=2)
    assert found["ar1"] < found["ar10"] < found["ar100"]


def test_equal_scores_and_equal_overlaps():
    gt = torch.tensor([[0.0, 0, 8, 4], [8, 0, 16, 4], [40, 10, 60, 20]])
    between = torch.tensor([[4.0, 0, 12, 4]])  # IoU 1/3 with both of the first two
    boxes = torch.cat([between, gt[:1], gt[1:2], gt[2:], gt[2:]])
    label = torch.ones(len(boxes), dtype=torch.int64)
    scores = torch.tensor([0.5, 0.5, 0.5, 0.25, 0.25])
    assert_equal([(boxes, scores, label)], [{"boxes": gt, "labels": label[:3]}], classes=2)


def test_a_taken_object_leaves_the_second_best():
    iou = torch.tensor([[0.8, 0.7], [0.9, 0.6]], dtype=torch.float64)
    counted, crowd = torch.tensor([True, True]), torch.tensor([False, False])
    outcome = match_coco(iou, counted, crowd, torch.tensor([0.5, 0.625], dtype=torch.float64))
    assert outcome.tolist() == [[1, 1], [1, 0]]  # VOC would call the second a miss at 0.5 as well


def test_a_crowd_is_taken_again_and_again_and_counts_nowhere():
    iou = torch.tensor([[0.75], [0.75], [0.25]], dtype=torch.float64)
    crowd = torch.tensor([True])
    assert match_coco(iou, ~crowd, crowd, IOU_THRESHOLDS[:1]).tolist() == [[-1, -1, 0]]


@pytest.mark.parametrize("masks", [False, True])
def test_no_detections(masks):
    detections, targets = scenes(0)
    if masks:
        detections, targets = with_masks(detections, targets)
    none = [(things[:0], scores[:0], labels[:0]) for things, scores, labels in detections]
    found = assert_equal(none, targets, 4, masks)
    assert found["ap"] == found["ar100"] == 0


@pytest.mark.parametrize("masks", [False, True])
def test_no_ground_truth(masks):
    detections, targets = scenes(0)
    if masks:
        detections, targets = with_masks(detections, targets)
    nothing = [{key: value[:0] for key, value in target.items()} for target in targets]
    found = assert_equal(detections, nothing, 4, masks)
    assert all(math.isnan(value) for value in found.values())


def test_a_class_without_truth_is_left_out_and_one_without_detections_is_0():
    detections, targets = scenes(1, classes=4)
    for target in targets:
        target["labels"][target["labels"] == 2] = 4
    detections = [
        (boxes[labels != 3], scores[labels != 3], labels[labels != 3]) for boxes, scores, labels in detections
    ]
    assert_equal(detections, targets, classes=5)
    of_class = coco_scores(detections, targets, 5).ap_of_class
    assert of_class[0] > 0
    assert math.isnan(of_class[1])
    assert of_class[2] == 0


def test_no_images():
    assert math.isnan(coco_scores([], [], 3).ap)


@pytest.mark.parametrize("score", [coco_scores, pycocotools_scores])
def test_numbers_of_images_must_agree(score):
    with pytest.raises(ValueError, match="got 0 and 1 targets"):
        score([], [{}], 2)
