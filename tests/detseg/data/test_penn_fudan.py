import numpy as np
import pytest
import torch
from PIL import Image

from detseg.data.fit_to_size import FitToSize
from detseg.data.penn_fudan import PennFudan
from detseg.models.backbone import backbone
from detseg.models.mask_rcnn import MaskRCNN
from detseg.training.detection import DetectionBatches


def write(root, name, persons):
    """A picture with a mask [H, W] of numbers."""
    for folder in ("PNGImages", "PedMasks"):
        (root / folder).mkdir(exist_ok=True)
    Image.new("RGB", persons.shape[::-1], (9, 8, 7)).save(root / f"PNGImages/{name}.png")
    Image.fromarray(persons).save(root / f"PedMasks/{name}_mask.png")


@pytest.fixture
def persons():
    numbers = np.zeros((40, 61), np.uint8)
    numbers[5:30, 10:17] = 1
    numbers[12:39, 50:61] = 3  # a number may be left out
    numbers[20, 40] = 3  # a hand away from the rest
    return numbers


def test_boxes_are_tight_around_the_masks(tmp_path, persons):
    write(tmp_path, "FudanPed00002", persons)
    write(tmp_path, "FudanPed00001", np.zeros((20, 25), np.uint8))
    scenes = PennFudan(tmp_path)
    assert scenes.names == ["FudanPed00001", "FudanPed00002"]
    image, target = scenes[1]
    assert image.shape == (3, 40, 61)
    assert image[:, 0, 0].tolist() == [9, 8, 7]
    assert target["boxes"].tolist() == [[10, 5, 17, 30], [40, 12, 61, 39]]
    assert target["labels"].tolist() == [1, 1]
    assert torch.equal(target["class_mask"], torch.from_numpy(persons > 0).to(torch.uint8))
    assert torch.equal(target["instance_masks"], torch.from_numpy(np.stack([persons == 1, persons == 3])))
    _, empty = scenes[0]
    assert empty["boxes"].shape == (0, 4)
    assert empty["instance_masks"].shape == (0, 20, 25)


def test_a_mask_detector_learns_from_it(tmp_path, persons):
    write(tmp_path, "a", persons)
    write(tmp_path, "b", persons.T.copy())
    batches = DetectionBatches(FitToSize(PennFudan(tmp_path), (48, 64)), masks=True)
    generator = torch.Generator().manual_seed(0)
    losses = MaskRCNN(backbone(), num_classes=2).losses(*batches.batch([0, 1], generator), generator)
    assert losses["total"].isfinite()
    assert losses["mask"] > 0


def test_what_is_missing_is_named(tmp_path, persons):
    with pytest.raises(
        FileNotFoundError, match=r"PNGImages is missing.*ped_html(.|\n)*PedMasks/FudanPed00001_mask"
    ):
        PennFudan(tmp_path)
    write(tmp_path, "a", persons)
    (tmp_path / "PedMasks/a_mask.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"a_mask\.png is missing"):
        PennFudan(tmp_path)
    (tmp_path / "PNGImages/a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"FudanPed00001\.png is missing"):
        PennFudan(tmp_path)


def test_a_mask_of_another_size_is_named(tmp_path, persons):
    write(tmp_path, "a", persons)
    Image.fromarray(persons[:-1]).save(tmp_path / "PedMasks/a_mask.png")
    with pytest.raises(ValueError, match=r"a: boxes|a: class_mask must have the picture's size \[40, 61\]"):
        PennFudan(tmp_path)[0]


def test_a_broken_png_is_named(tmp_path, persons):
    write(tmp_path, "a", persons)
    path = tmp_path / "PedMasks/a_mask.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"a_mask\.png is (damaged|no picture)"):
        PennFudan(tmp_path)[0]
