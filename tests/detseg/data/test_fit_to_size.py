import pytest
import torch

from detseg.data.fit_to_size import GREY, FitToSize, fit_to_size, stack_images
from detseg.models.backbone import PIXEL_MEAN


def scene(height, width):
    """A dark picture with one bright box, which is also its masks."""
    box = torch.tensor([[width // 4, height // 2, width // 2, height]])
    x1, y1, x2, y2 = box[0].tolist()
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, y1:y2, x1:x2] = 250
    mask = image[0] > 0
    target = {
        "boxes": box.float(),
        "labels": torch.tensor([2]),
        "area": mask.sum()[None].float(),
        "class_mask": mask.to(torch.uint8) * 2,
        "instance_masks": mask[None],
        "name": "a",
    }
    return image, target


@pytest.mark.parametrize("size", [(20, 36), (80, 60), (30, 101), (16, 12)])
def test_boxes_masks_and_picture_stay_together(size):
    image, target = scene(40, 64)
    fitted, new = fit_to_size(image, target, size)
    assert fitted.shape == (3, *size)
    assert fitted.dtype == torch.uint8
    assert new["class_mask"].shape == size
    assert new["instance_masks"].shape == (1, *size)
    scale = min(size[0] / 40, size[1] / 64)
    high, wide = round(40 * scale), round(64 * scale)
    assert torch.equal(
        new["boxes"], target["boxes"] * torch.tensor([wide / 64, high / 40, wide / 64, high / 40])
    )
    # The mask holds the pixels whose centres lie in the box (sizes at which no centre lies on its border).
    y, x = torch.arange(size[0])[:, None] + 0.5, torch.arange(size[1]) + 0.5
    x1, y1, x2, y2 = new["boxes"][0]
    inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
    assert torch.equal(new["instance_masks"][0], inside)
    assert torch.equal(new["class_mask"] == 2, inside)
    assert new["area"] == pytest.approx(float((x2 - x1) * (y2 - y1)), rel=1e-5)
    bright = fitted[0] > 125
    assert (bright & ~inside)[:high, :wide].float().mean() < 0.05
    assert (new["labels"].tolist(), new["name"]) == ([2], "a")


def test_what_stays_free_is_grey_and_ignored():
    fitted, new = fit_to_size(*scene(40, 64), (40, 80))
    assert (fitted[:, :, 64:] == GREY).all()
    assert (new["class_mask"][:, 64:] == 255).all()
    assert not new["instance_masks"][:, :, 64:].any()
    assert GREY == PIXEL_MEAN


def test_the_same_size_changes_nothing():
    image, target = scene(40, 64)
    fitted, new = fit_to_size(image, target, (40, 64))
    assert torch.equal(fitted, image)
    for key in ("boxes", "area", "class_mask", "instance_masks"):
        assert torch.equal(new[key], target[key])


def test_the_target_given_is_left_alone_and_an_empty_one_is_legal():
    image, target = scene(40, 64)
    before = target["boxes"].clone()
    fit_to_size(image, target, (10, 10))
    assert torch.equal(target["boxes"], before)
    _, new = fit_to_size(image, {"boxes": torch.zeros(0, 4)}, (10, 12))
    assert new["boxes"].shape == (0, 4)


def test_a_data_set_of_one_size():
    scenes = FitToSize([scene(40, 64), scene(30, 20)], (24, 32))
    assert len(scenes) == 2
    assert stack_images([scenes[0][0], scenes[1][0]]).shape == (2, 3, 24, 32)


def test_pictures_of_different_sizes_do_not_make_a_batch():
    with pytest.raises(
        ValueError, match=r"one size, got \[3, 30, 20\], \[3, 40, 64\]; wrap the data set.*FitToSize"
    ):
        stack_images([scene(40, 64)[0], scene(30, 20)[0]])
    with pytest.raises(ValueError, match="got no image"):
        stack_images([])
    with pytest.raises(ValueError, match="image_size must be"):
        FitToSize([], (0, 5))
