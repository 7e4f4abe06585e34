import pytest
import torch
from torch import Tensor

from detseg.layers import paste_masks, roi_align
from detseg.losses import mask_loss, mask_targets
from detseg.metrics import mask_iou
from detseg.models.backbone import backbone, normalise
from detseg.models.mask_rcnn import MaskRCNN

SIZE = (48, 80)
BOXES = [torch.tensor([[8.0, 4, 40, 30], [50, 10, 70, 40]]), torch.tensor([[3.0, 5, 33, 45]])]
LABELS = [torch.tensor([2, 5]), torch.tensor([1])]


def triangle(box: Tensor) -> Tensor:
    """The lower left half of a box: bool [H, W]."""
    x1, y1, x2, y2 = box.tolist()
    x, y = torch.arange(SIZE[1]) + 0.5, torch.arange(SIZE[0])[:, None] + 0.5
    return (x > x1) & (y < y2) & ((x - x1) / (x2 - x1) < (y - y1) / (y2 - y1))


MASKS = [torch.stack([triangle(box) for box in boxes]) for boxes in BOXES]
TARGETS = [
    {"boxes": boxes, "labels": labels, "instance_masks": masks}
    for boxes, labels, masks in zip(BOXES, LABELS, MASKS, strict=True)
]


def images() -> Tensor:
    """Two noisy images [2, 3, 48, 80] with a triangle of its own colour for each object."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(90, 140, (2, 3, *SIZE), dtype=torch.uint8, generator=generator)
    for picture, masks, labels in zip(pictures, MASKS, LABELS, strict=True):
        for mask, label in zip(masks, labels.tolist(), strict=True):
            picture[label % 3][mask] = 40 * label
    return normalise(pictures)


def model(**options) -> MaskRCNN:
    torch.manual_seed(0)
    return MaskRCNN(backbone(), **options)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_losses_fall_and_masks_take_shape_when_two_scenes_are_learned_by_heart():
    detector = model()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    draw, inputs, masks = generator(), images(), []
    for _ in range(35):
        losses = detector.losses(inputs, TARGETS, draw)
        optimiser.zero_grad()
        losses["total"].backward()
        optimiser.step()
        masks.append(losses["mask"].item())
    assert sum(masks[-5:]) < 0.5 * sum(masks[:5])
    for (boxes, scores, labels, found), target in zip(detector.predict(inputs), TARGETS, strict=True):
        assert found.dtype == torch.bool
        assert found.shape == (len(boxes), *SIZE) == (len(scores), *SIZE)
        assert set(target["labels"].tolist()) <= set(labels[scores > 0.3].tolist())
        assert mask_iou(found, target["instance_masks"]).amax(0).min() > 0.5


def test_the_total_holds_the_mask_loss():
    losses = model(loss_weights=(1.0, 1.0, 1.0, 1.0)).losses(images(), TARGETS, generator())
    parts = [value for name, value in losses.items() if name != "total"]
    assert len(parts) == 5
    torch.testing.assert_close(losses["total"], torch.stack(parts).sum())
    assert not losses["mask"].requires_grad


def test_the_learners_functions_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    operations = {f.__name__: spy(f) for f in (roi_align, mask_targets, mask_loss, paste_masks)}
    detector = model(**operations)
    theirs = detector.losses(images(), TARGETS, generator())
    assert called == ["roi_align", "roi_align", "mask_targets", "mask_targets", "mask_loss"]
    assert theirs == model().losses(images(), TARGETS, generator())
    called.clear()
    detector.predict(images())
    assert called == ["roi_align", "roi_align", "paste_masks", "paste_masks"]


def test_each_positive_roi_learns_its_own_objects_mask():
    seen = []

    def targets(gt_masks, boxes, matched, size):
        seen.append((len(gt_masks), boxes, matched, size))
        return mask_targets(gt_masks, boxes, matched, size)

    model(mask_targets=targets).losses(images(), TARGETS, generator())
    for (count, boxes, matched, size), target in zip(seen, TARGETS, strict=True):
        assert count == len(target["boxes"])
        assert size == 14
        assert len(boxes) == len(matched) > 0
        overlap = torch.minimum(boxes[:, 2:], target["boxes"][matched, 2:]) - torch.maximum(
            boxes[:, :2], target["boxes"][matched, :2]
        )
        assert (overlap > 0).all()


def test_images_without_objects_have_no_mask_loss():
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "instance_masks": torch.zeros(0, *SIZE, dtype=torch.bool),
    }
    losses = model().losses(images(), [empty, empty], generator())
    assert losses["mask"] == 0
    losses["total"].backward()


def test_no_detection_no_mask():
    for found in model(test_proposals=(50, 0)).predict(images()):
        assert [tuple(part.shape) for part in found] == [(0, 4), (0,), (0,), (0, *SIZE)]


def test_missing_masks_are_named():
    with pytest.raises(ValueError, match="instance_masks"):
        model().losses(
            images(), [{"boxes": b, "labels": n} for b, n in zip(BOXES, LABELS, strict=True)], generator()
        )
