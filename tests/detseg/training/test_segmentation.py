import math

import pytest
import torch
from torch import Tensor

from detseg.training.patches import PatchBatches
from detseg.training.segmentation import IGNORE, SegmentationBatches, evaluate
from detseg.training.windows import LocalisationBatches, ObjectWindows, SingleObjectWindows


class Pictures:
    """Scenes of 40 x 56 whose red is 20 times the class of the pixel, and whose blue is the column."""

    def __init__(self, *objects: list[tuple[int, int, int, int, int]]) -> None:
        """For each scene, (label, top, left, height, width) of its objects; label 255 is ignored."""
        self.objects = objects

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> tuple[Tensor, dict]:
        objects = self.objects[index]
        instance_masks = torch.zeros(len(objects), 40, 56, dtype=torch.bool)
        class_mask = torch.zeros(40, 56, dtype=torch.uint8)
        for mask, (label, top, left, height, width) in zip(instance_masks, objects, strict=True):
            mask[top : top + height, left : left + width] = True
            class_mask[mask] = label
        image = torch.zeros(3, 40, 56, dtype=torch.uint8)
        image[0] = torch.where(class_mask == IGNORE, 0, class_mask) * 20
        image[2] = torch.arange(56)
        boxes = [[left, top, left + width, top + height] for _, top, left, height, width in objects]
        return image, {
            "boxes": torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
            "labels": torch.tensor([label for label, *_ in objects]),
            "class_mask": class_mask,
            "instance_masks": instance_masks,
        }


SCENES = Pictures([(1, 4, 6, 10, 12), (3, 20, 30, 12, 9)], [(2, 0, 0, 6, 8)], [])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixel_values(images: Tensor) -> Tensor:
    return (images * 60 + 118).round().long()


def test_masks_are_mirrored_with_their_images():
    seen = set()
    for seed in range(8):
        images, class_masks = SegmentationBatches(SCENES).batch([0, 1], generator(seed))
        assert images.shape == (2, 3, 40, 56)
        assert class_masks.dtype == torch.int64
        assert torch.equal(pixel_values(images[:, 0]), class_masks * 20)
        seen |= {image[2, 0, 0].item() for image in images}
    assert len(seen) == 2


def test_background_is_thinned_and_nothing_else():
    _, whole = SegmentationBatches(SCENES, flip=0).batch([0, 1], generator())
    _, thinned = SegmentationBatches(SCENES, flip=0, background=0.25).batch([0, 1], generator())
    assert torch.equal(thinned[whole > 0], whole[whole > 0])
    assert (thinned[whole == 0] == 0).double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert set(thinned[whole == 0].tolist()) == {0, IGNORE}
    with pytest.raises(ValueError, match="background"):
        SegmentationBatches(SCENES, background=0)


class FromRed:
    """Reads the class off the red channel, but takes class 3 for background."""

    def predict(self, images: Tensor) -> Tensor:
        labels = pixel_values(images[:, 0]) // 20
        return torch.where(labels == 3, 0, labels)


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_mean_iou_is_of_all_scenes_together(batch_size):
    scenes = Pictures(*SCENES.objects, [(IGNORE, 3, 3, 20, 20)])
    mean, per_class = evaluate(FromRed(), scenes, batch_size=batch_size, progress=False)
    background = 4 * 40 * 56 - 120 - 108 - 48 - 400
    expected = [background / (background + 108), 1.0, 1.0, 0.0]
    assert per_class[:4] == pytest.approx(expected)
    assert all(math.isnan(value) for value in per_class[4:])
    assert mean == pytest.approx(sum(expected) / 4)


def test_patches_are_balanced_and_centred_on_their_label():
    batches = PatchBatches(SCENES, size=7, background=10, each_class=4)
    patches, labels = batches.batch([0, 1, 2], generator())
    assert patches.shape == (22, 3, 7, 7)
    assert torch.bincount(labels, minlength=6).tolist() == [10, 4, 4, 4, 0, 0]
    assert torch.equal(pixel_values(patches)[:, 0, 3, 3], labels * 20)
    assert {*PatchBatches(SCENES, size=7).batch([2], generator())[1].tolist()} == {0}


def test_the_prior_is_what_pixels_and_patches_differ_by():
    batches = PatchBatches(SCENES, background=24, each_class=10)
    total = 3 * 40 * 56
    assert batches.log_prior[1].item() == pytest.approx(math.log(120 / total) - math.log(10 / 74))
    assert batches.log_prior[0].item() == pytest.approx(math.log((total - 276) / total) - math.log(24 / 74))
    assert batches.log_prior.isfinite().all()  # classes that never occur, too


def test_the_learners_extraction_cuts_the_patches():
    def ones(image, centers, size):
        return torch.ones(len(centers), 3, size, size)

    patches, _ = PatchBatches(SCENES, size=5, extract_patches=ones).batch([0, 1], generator())
    assert (patches == 1).all()


def test_object_windows_hold_the_object_near_the_centre():
    windows = ObjectWindows(SCENES, size=24, jitter=0)
    assert len(windows) == 3
    image, target = windows[1]  # rows 20 to 32, columns 30 to 39: the centre is (26, 34.5)
    assert image.shape == (3, 24, 24)
    assert target["class_mask"].shape == (24, 24)
    rows, columns = torch.where(target["class_mask"] == 3)
    assert (rows.min(), rows.max()) == (6, 17)
    assert (columns.min(), columns.max()) == (8, 16)
    assert torch.equal(image[0].long(), target["class_mask"].long() * 20)
    assert windows[2][1]["class_mask"][0, 0] == 2  # in the corner: the window stays inside the scene


def test_single_object_windows_hold_one_object_whole():
    windows = SingleObjectWindows(SCENES, size=24, empty=1.0, intrusion=0.0, tries=20)
    labels = set()
    for index in range(len(windows)):
        image, target = windows[index]
        inside = image[0] // 20
        labels.add(target["label"])
        if target["label"] == 0:
            assert (inside == 0).all()
            assert target["box"].tolist() == [0, 0, 0, 0]
        else:
            rows, columns = torch.where(inside > 0)
            assert set(inside[rows, columns].tolist()) == {target["label"]}
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert target["box"].tolist() == [side.item() for side in box]
            assert len(rows) == {1: 120, 2: 48, 3: 108}[target["label"]]
    assert labels == {0, 1, 2, 3}
    again = SingleObjectWindows(SCENES, size=24, empty=1.0, intrusion=0.0, tries=20)
    assert again.windows == windows.windows


def test_objects_larger_than_the_window_are_left_out():
    assert len(SingleObjectWindows(Pictures([(1, 2, 2, 30, 20)]), size=24, empty=0)) == 0


def test_boxes_are_mirrored_with_their_windows():
    windows = SingleObjectWindows(SCENES, size=24, empty=1.0)
    batches = LocalisationBatches(windows, flip=1.0)
    images, labels, boxes = batches.batch(list(range(len(windows))), generator())
    assert labels.dtype == torch.int64
    for image, label, (x1, y1, x2, y2) in zip(
        pixel_values(images), labels, boxes.int().tolist(), strict=True
    ):
        assert (image[0, y1:y2, x1:x2] == label * 20).all()
        assert x2 > x1 or label == 0
