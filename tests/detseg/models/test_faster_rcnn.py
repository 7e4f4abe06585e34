import pytest
import torch
from torch import Tensor

from detseg.layers import roi_pool
from detseg.losses import fast_rcnn_loss, joint_loss, rpn_loss
from detseg.models.backbone import backbone, normalise
from detseg.models.detect import detect
from detseg.models.faster_rcnn import FasterRCNN
from detseg.proposals import (
    RPNHead,
    assign_anchors,
    cell_anchors,
    filter_proposals,
    grid_anchors,
    sample_rois,
)

BOXES = [torch.tensor([[8.0, 4, 40, 30], [50, 10, 70, 40]]), torch.tensor([[3.0, 5, 33, 45]])]
LABELS = [torch.tensor([2, 5]), torch.tensor([1])]
TARGETS = [{"boxes": boxes, "labels": labels} for boxes, labels in zip(BOXES, LABELS, strict=True)]
PARTS = ["rpn_objectness", "rpn_box", "head_class", "head_box"]


def images() -> Tensor:
    """Two noisy images [2, 3, 48, 80] with a patch of its own colour in each box."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(90, 140, (2, 3, 48, 80), dtype=torch.uint8, generator=generator)
    for picture, boxes, labels in zip(pictures, BOXES, LABELS, strict=True):
        for (x1, y1, x2, y2), label in zip(boxes.int().tolist(), labels.tolist(), strict=True):
            picture[label % 3, y1:y2, x1:x2] = 40 * label
    return normalise(pictures)


def model(**options) -> FasterRCNN:
    torch.manual_seed(0)
    return FasterRCNN(backbone(), **options)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_losses_fall_when_two_scenes_are_learned_by_heart():
    detector = model()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    draw, inputs, totals = generator(), images(), []
    for _ in range(35):
        losses = detector.losses(inputs, TARGETS, draw)
        optimiser.zero_grad()
        losses["total"].backward()
        optimiser.step()
        totals.append(losses["total"].item())
    assert sum(totals[-5:]) < 0.4 * sum(totals[:5])
    for (found, scores, labels), target in zip(detector.predict(inputs), TARGETS, strict=True):
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        assert set(target["labels"].tolist()) <= set(labels[scores > 0.3].tolist())
        assert (found[:, 2] <= 80).all()
        assert (found[:, 3] <= 48).all()


def test_the_total_is_the_weighted_sum_and_alone_carries_the_gradient():
    losses = model(loss_weights=(1.0, 2.0, 3.0, 4.0)).losses(images(), TARGETS, generator())
    assert list(losses) == [*PARTS, "total"]
    parts = torch.stack([losses[name] for name in PARTS])
    torch.testing.assert_close(losses["total"], (parts * torch.tensor([1.0, 2, 3, 4])).sum())
    assert not any(losses[name].requires_grad for name in PARTS)
    assert losses["total"].requires_grad


def test_both_modules_and_the_backbone_learn():
    detector = model()
    detector.losses(images(), TARGETS, generator())["total"].backward()
    for part in (detector.fast_rcnn.backbone.conv1, detector.rpn.head, detector.fast_rcnn.head):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in part.parameters())


def test_the_learners_functions_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    operations = (
        cell_anchors, grid_anchors, assign_anchors, rpn_loss, filter_proposals, joint_loss, sample_rois, roi_pool,
        fast_rcnn_loss, detect,
    )  # fmt: skip
    detector = model(rpn_head=spy(RPNHead), **{f.__name__: spy(f) for f in operations})
    assert called == ["cell_anchors", "RPNHead"]
    called.clear()
    theirs = detector.losses(images(), TARGETS, generator())
    assert called == [
        "grid_anchors", *["assign_anchors", "sample_rois", "rpn_loss"] * 2, *["filter_proposals"] * 2,
        *["sample_rois"] * 2, "roi_pool", "fast_rcnn_loss", "joint_loss",
    ]  # fmt: skip
    assert theirs == model().losses(images(), TARGETS, generator())
    called.clear()
    detector.predict(images())
    assert called == ["grid_anchors", *["filter_proposals"] * 2, "roi_pool", "detect", "detect"]


def test_proposals_are_limited_and_carry_no_gradient():
    detector = model(test_proposals=(50, 7)).eval()
    proposals = detector.propose(detector.features(images()), (48, 80))
    assert [boxes.shape[1] for boxes in proposals] == [4, 4]
    assert all(0 < len(boxes) <= 7 and not boxes.requires_grad for boxes in proposals)


def test_images_without_objects_teach_background():
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}] * 2
    losses = model().losses(images(), empty, generator())
    assert losses["rpn_objectness"] > 0
    assert losses["head_class"] > 0
    assert losses["rpn_box"] == losses["head_box"] == 0
    losses["total"].backward()


def test_no_proposal_no_detection():
    for found in model(test_proposals=(50, 0)).predict(images()):
        assert [tuple(part.shape) for part in found] == [(0, 4), (0,), (0,)]


def test_predict_keeps_the_running_statistics():
    detector = model().train()
    before = detector.fast_rcnn.backbone.conv1[1].running_mean.clone()
    detector.predict(images())
    assert torch.equal(detector.fast_rcnn.backbone.conv1[1].running_mean, before)


def test_the_recipe_knows_an_edited_function():
    def joint(rpn_objectness, rpn_box, head_class, head_box, weights):
        return joint_loss(rpn_objectness, rpn_box, head_class, head_box, weights)

    assert model().recipe == model().recipe
    assert model(joint_loss=joint).recipe != model().recipe

    def other_anchors(*args):
        return cell_anchors(*args)

    assert model(cell_anchors=other_anchors).recipe != model().recipe


def test_bad_batches_are_named():
    with pytest.raises(TypeError, match="normalise"):
        model().predict(torch.zeros(1, 3, 48, 80, dtype=torch.uint8))
    with pytest.raises(ValueError, match="2 images, but targets of 1"):
        model().losses(images(), TARGETS[:1], generator())
