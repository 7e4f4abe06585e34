import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detseg.data.fit_to_size import FitToSize
from detseg.data.voc import VOC
from detseg.models.backbone import backbone
from detseg.models.faster_rcnn import FasterRCNN
from detseg.training.detection import DetectionBatches

NAMES = ("cow", "dog")
OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox>"
    "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def write(root, name, objects, size=(30, 44)):
    """A picture (height, width) with its annotation: objects are (class, difficult, xmin, ymin, xmax, ymax)."""
    for folder in (
        "Annotations",
        "ImageSets/Main",
        "ImageSets/Segmentation",
        "JPEGImages",
        "SegmentationClass",
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, 3), (200, 90, 10), np.uint8)
    Image.fromarray(pixels).save(root / f"JPEGImages/{name}.jpg", quality=95)
    body = "".join(OBJECT.format(*one) for one in objects)
    (root / f"Annotations/{name}.xml").write_text(f"<annotation>{body}</annotation>")
    with (root / "ImageSets/Main/train.txt").open("a") as listing:
        listing.write(f"{name}\n")


def write_mask(root, name, mask):
    picture = Image.fromarray(mask, mode="P")
    picture.putpalette([value for number in range(256) for value in (number, 255 - number, 7)])
    picture.save(root / f"SegmentationClass/{name}.png")
    with (root / "ImageSets/Segmentation/train.txt").open("a") as listing:
        listing.write(f"{name}\n")


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "a", [("dog", 0, 1, 1, 44, 30), ("cow", 1, 5, 7, 5, 8)])
    write(tmp_path, "b", [], size=(20, 25))
    return tmp_path


def test_boxes_from_whole_pixels_counted_from_1(root):
    scenes = VOC(root, "train", NAMES)
    assert len(scenes) == 2
    image, target = scenes[0]
    assert image.dtype == torch.uint8
    assert image.shape == (3, 30, 44)
    assert image[:, 15, 20].tolist() == pytest.approx([200, 90, 10], abs=4)  # JPEG
    assert target["boxes"].tolist() == [
        [0, 0, 44, 30],
        [4, 6, 5, 8],
    ]  # the whole picture; one column of two pixels
    assert [scenes.classes[label] for label in target["labels"]] == ["dog", "cow"]
    assert target["difficult"].tolist() == [False, True]


def test_a_picture_without_objects(root):
    _, target = VOC(root, "train", NAMES)[1]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == target["difficult"].shape == (0,)


def test_difficult_objects_can_be_left_out(root):
    _, target = VOC(root, "train", NAMES, keep_difficult=False)[0]
    assert target["boxes"].tolist() == [[0, 0, 44, 30]]
    assert not target["difficult"].any()


def test_class_masks_with_borders_to_ignore(root):
    mask = np.zeros((30, 44), np.uint8)
    mask[3:9, 4:20] = 2
    mask[3:9, 20] = 255
    write_mask(root, "a", mask)
    scenes = VOC(root, "train", NAMES, class_masks=True)
    assert scenes.names == ["a"]  # b has none
    assert torch.equal(scenes[0][1]["class_mask"], torch.from_numpy(mask))


def test_names_are_found_where_none_are_given(root):
    assert VOC(root, "train", None).classes == ("background", "cow", "dog")


def test_a_class_that_is_not_known(root):
    with pytest.raises(ValueError, match=r"a\.xml: 'dog' is none of the classes cow, sheep; pass classes="):
        VOC(root, "train", ("cow", "sheep"))


def test_a_box_beyond_the_border_is_clipped(tmp_path):
    write(tmp_path, "a", [("cow", 0, 0, -3, 50, 20)])
    assert VOC(tmp_path, "train", NAMES)[0][1]["boxes"].tolist() == [[0, 0, 44, 20]]


@pytest.mark.parametrize("box", [(9, 5, 8, 12), (50, 5, 60, 12), ("nan", 5, 60, 12)])
def test_a_box_without_area_is_named_or_left_out(tmp_path, box):
    write(tmp_path, "a", [("cow", 0, 1, 2, 3, 4), ("dog", 1, *box)])
    with pytest.raises(
        ValueError, match=r"a: object 1, box \[.*\], has no area .* height 30 and width 44.*skip_bad"
    ):
        VOC(tmp_path, "train", NAMES)[0]
    _, target = VOC(tmp_path, "train", NAMES, skip_bad=True)[0]
    assert target["boxes"].tolist() == [[0, 1, 3, 4]]
    assert target["difficult"].tolist() == [False]


@pytest.mark.parametrize(
    "path", ["ImageSets/Main/train.txt", "Annotations/a.xml", "JPEGImages/a.jpg", "SegmentationClass/a.png"]
)
def test_what_is_missing_where_to_get_it_and_how_the_folder_looks(root, path):
    write_mask(root, "a", np.zeros((30, 44), np.uint8))
    (root / path).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        VOC(root, "train", NAMES, class_masks="Main" not in path)[0]
    message = str(caught.value)
    assert f"{root / path} is missing" in message
    assert "host.robots.ox.ac.uk" in message
    assert "VOC2007/JPEGImages/000005.jpg" in message


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("Annotations/a.xml", b"<annotation>", r"a\.xml is damaged"),
        (
            "Annotations/a.xml",
            b"<annotation><object><name>cow</name></object></annotation>",
            "no box of four numbers",
        ),
        ("JPEGImages/a.jpg", b"no picture", r"a\.jpg is no picture"),
    ],
)
def test_damaged_files_are_named(root, path, content, message):
    (root / path).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        VOC(root, "train", NAMES)[0]


def test_a_picture_cut_off_is_named(root):
    path = root / "JPEGImages/a.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8)
    Image.fromarray(noise).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"a\.jpg is damaged"):
        VOC(root, "train", NAMES)[0]


def test_masks_must_hold_numbers_and_fit(root):
    write_mask(root, "a", np.zeros((30, 44), np.uint8))
    Image.new("RGB", (44, 30)).save(root / "SegmentationClass/a.png")
    with pytest.raises(ValueError, match=r"a\.png holds colours \(RGB\)"):
        VOC(root, "train", NAMES, class_masks=True)[0]
    Image.new("P", (30, 44)).save(root / "SegmentationClass/a.png")
    with pytest.raises(
        ValueError, match=r"class_mask must have the picture's size \[30, 44\], not \[44, 30\]"
    ):
        VOC(root, "train", NAMES, class_masks=True)[0]


def test_a_real_set():
    """Any folder in VOC's format, such as VOCdevkit/VOC2007."""
    if "DETSEG_TEST_VOC" not in os.environ:
        pytest.skip("DETSEG_TEST_VOC names no folder in VOC's format")
    root = Path(os.environ["DETSEG_TEST_VOC"])
    scenes = VOC(root, "trainval", None, skip_bad=True)
    assert len(scenes) == len((root / "ImageSets/Main/trainval.txt").read_text().split())
    for index in range(0, len(scenes), 7):
        image, target = scenes[index]  # which checks the target
        text = (root / f"Annotations/{scenes.names[index]}.xml").read_text()
        assert len(target["boxes"]) <= len(re.findall("<object>", text))
        corners = [[int(float(n)) for n in re.findall(rf"<{side}>(.*?)<", text)] for side in ("xmin", "ymax")]
        if len(target["boxes"]) == len(corners[0]):
            assert (target["boxes"][:, 0] + 1).tolist() == pytest.approx(corners[0], abs=1)
            assert target["boxes"][:, 3].tolist() == pytest.approx(corners[1], abs=1)
        assert image.float().std() > 1  # a picture, not a blank

    batches = DetectionBatches(FitToSize(scenes, (96, 128)))
    generator = torch.Generator().manual_seed(0)
    images, targets = batches.batch([0, len(scenes) // 2, len(scenes) - 1], generator)
    assert images.shape == (3, 3, 96, 128)
    model = FasterRCNN(backbone(), num_classes=len(scenes.classes))
    losses = model.losses(images, targets, generator)
    assert losses["total"].isfinite()
