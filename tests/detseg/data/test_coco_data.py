import json

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from detseg.data.coco import COCO, class_mask
from detseg.data.fit_to_size import FitToSize
from detseg.metrics import coco_scores
from detseg.training.detection import DetectionBatches

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # in pycocotools
SIZE = (24, 35)  # height, width


def filled(x1, y1, x2, y2):
    mask = np.zeros(SIZE, np.uint8)
    mask[y1:y2, x1:x2] = 1
    return mask


def compressed(mask):
    rle = coco_mask.encode(np.asfortranarray(mask))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def plain(mask):
    """Lengths of runs, column by column, the first of zeros."""
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *ends, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *lengths] if flat[0] else lengths}


ANNOTATIONS = [
    {"image_id": 7, "category_id": 90, "bbox": [2, 3, 10, 5], "area": 44.5, "iscrowd": 0,
     "segmentation": [[2, 3, 12, 3, 12, 8, 2, 8]]},
    {"image_id": 7, "category_id": 1, "bbox": [0, 10, 20, 14], "area": 280, "iscrowd": 1,
     "segmentation": plain(filled(0, 10, 20, 24))},
    {"image_id": 7, "category_id": 1, "bbox": [10, 5, 8, 9], "area": 72, "iscrowd": 0,
     "segmentation": compressed(filled(10, 5, 18, 14))},
]  # fmt: skip


def write(root, annotations=ANNOTATIONS):
    (root / "annotations").mkdir(exist_ok=True)
    (root / "tiny").mkdir(exist_ok=True)
    for name, size in (("7.jpg", SIZE), ("3.jpg", (11, 30))):
        Image.new("RGB", size[::-1], (50, 60, 70)).save(root / "tiny" / name)
    described = {
        "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 3, "file_name": "3.jpg"}],
        "categories": [
            {"id": 90, "name": "toothbrush"},
            {"id": 1, "name": "person"},
            {"id": 5, "name": "plane"},
        ],
        "annotations": [{**one, "id": number} for number, one in enumerate(annotations, 1)],
    }
    (root / "annotations/instances_tiny.json").write_text(json.dumps(described))
    return root


def test_boxes_labels_without_gaps_and_crowds(tmp_path):
    scenes = COCO(write(tmp_path), "tiny")
    assert scenes.classes == ("background", "person", "plane", "toothbrush")
    assert len(scenes) == 2
    image, target = scenes[1]
    assert image.shape == (3, *SIZE)
    assert target["boxes"].tolist() == [[2, 3, 12, 8], [0, 10, 20, 24], [10, 5, 18, 14]]
    assert target["labels"].tolist() == [3, 1, 1]
    assert target["crowd"].tolist() == [False, True, False]
    assert target["area"].tolist() == [44.5, 280, 72]
    assert target["name"] == "7.jpg"


def test_a_picture_without_objects(tmp_path):
    image, target = COCO(write(tmp_path), "tiny", masks=True)[0]
    assert image.shape == (3, 11, 30)
    assert target["boxes"].shape == (0, 4)
    assert target["area"].shape == target["crowd"].shape == (0,)
    assert target["instance_masks"].shape == (0, 11, 30)
    assert target["class_mask"].tolist() == torch.zeros(11, 30).tolist()


def test_polygons_and_both_run_length_codes(tmp_path):
    masks = COCO(write(tmp_path), "tiny", masks=True)[1][1]["instance_masks"]
    wanted = np.stack([filled(2, 3, 12, 8), filled(0, 10, 20, 24), filled(10, 5, 18, 14)]).astype(bool)
    assert masks.dtype == torch.bool
    assert torch.equal(masks, torch.from_numpy(wanted))


def test_the_class_mask_ignores_crowds_and_overlaps_of_classes(tmp_path):
    painted = COCO(write(tmp_path), "tiny", masks=True)[1][1]["class_mask"]
    assert painted[4, 5] == 3
    assert painted[9, 17] == 1
    assert painted[6, 11] == 255  # toothbrush and person
    assert painted[20, 3] == 255  # crowd
    assert painted[12, 12] == 255  # crowd before a person
    assert painted[0, 0] == 0


def test_an_overlap_stays_ignored_whatever_comes_after():
    masks = torch.ones(3, 1, 2, dtype=torch.bool)
    masks[2, 0, 1] = False
    painted = class_mask(masks, torch.tensor([1, 2, 2]), torch.zeros(3, dtype=torch.bool))
    assert painted.tolist() == [[255, 255]]
    same = class_mask(masks, torch.tensor([2, 2, 2]), torch.zeros(3, dtype=torch.bool))
    assert same.tolist() == [[2, 2]]


def test_crowds_can_be_left_out(tmp_path):
    _, target = COCO(write(tmp_path), "tiny", keep_crowds=False)[1]
    assert target["labels"].tolist() == [3, 1]
    assert not target["crowd"].any()


def test_batches_and_scores_take_it(tmp_path):
    scenes = FitToSize(COCO(write(tmp_path), "tiny", masks=True), (32, 48))
    images, targets = DetectionBatches(scenes, masks=True, flip=0).batch([0, 1], torch.Generator())
    assert images.shape == (2, 3, 32, 48)
    assert [len(target["boxes"]) for target in targets] == [0, 3]
    truth = [scenes[index][1] for index in range(2)]
    found = [(one["boxes"][~one["crowd"]], torch.ones(len(one["boxes"]) - int(one["crowd"].sum())),
              one["labels"][~one["crowd"]]) for one in truth]  # fmt: skip
    assert coco_scores(found, truth, len(scenes.scenes.classes)).ap == 1


def test_a_box_without_area_is_named_or_left_out(tmp_path):
    write(tmp_path, [*ANNOTATIONS, {**ANNOTATIONS[0], "bbox": [4, 5, 0, 3]}])
    with pytest.raises(ValueError, match=r"7\.jpg: object 3, box .* has no area .*skip_bad=True"):
        COCO(tmp_path, "tiny")[1]
    assert len(COCO(tmp_path, "tiny", skip_bad=True, masks=True)[1][1]["instance_masks"]) == 3


@pytest.mark.parametrize("path", ["annotations/instances_tiny.json", "tiny/7.jpg"])
def test_what_is_missing_is_named(tmp_path, path):
    write(tmp_path)
    (tmp_path / path).unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing.*cocodataset\.org(.|\n)*coco/val2017") as caught:
        COCO(tmp_path, "tiny")[1]
    assert str(tmp_path / path) in str(caught.value)


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_damaged_annotations_are_named(tmp_path, content):
    write(tmp_path)
    (tmp_path / "annotations/instances_tiny.json").write_text(content)
    with pytest.raises(ValueError, match=r"instances_tiny\.json is damaged, or holds no instances"):
        COCO(tmp_path, "tiny")


@pytest.mark.parametrize("segmentation", [[], {"size": [5, 5]}, None, compressed(filled(0, 0, 3, 3)[:20])])
def test_a_mask_that_cannot_be_read_is_named(tmp_path, segmentation):
    write(tmp_path, [{**ANNOTATIONS[0], "segmentation": segmentation}])
    with pytest.raises(
        ValueError, match=r"7\.jpg: object 1 has (no mask that can be read|a mask of \[20, 35\])"
    ):
        COCO(tmp_path, "tiny", masks=True)[1]


def test_an_unknown_category_is_named(tmp_path):
    write(tmp_path, [{**ANNOTATIONS[0], "category_id": 6}])
    with pytest.raises(ValueError, match="annotation 1 has the unknown category 6"):
        COCO(tmp_path, "tiny")
