"""COCO (Lin et al. 2014): pictures with boxes, masks and crowds, or any set whose annotations have its format."""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor
from torch.utils.data import Dataset

from detseg.data.reading import read_image, require, sound_boxes
from detseg.data.targets import check_target

SOURCE = "https://cocodataset.org/#download (2017 Val images, 1 GB; 2017 Train/Val annotations, 241 MB)"
LAYOUT = """\
coco/annotations/instances_val2017.json
coco/val2017/000000000139.jpg"""
IGNORE = 255


class COCO(Dataset[tuple[Tensor, dict[str, Any]]]):
    """Pictures with boxes, and with masks where asked for.

    An item is `(image, target)`, as of `detseg.data.farm.FarmScenes`: image uint8 [3, H, W]; target a dict of
    boxes float32 [N, 4], labels int64 [N] (index into `classes`), crowd bool [N], area float32 [N] (square pixels of
    the mask, as annotated), name str and, where asked for, instance_masks bool [N, H, W] and class_mask uint8 [H, W].
    COCO numbers its 80 categories up to 90; labels count from 1 without gaps, in the order of those numbers. Pictures
    differ in size: for batches see `detseg.data.fit_to_size`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "val2017",
        masks: bool = False,
        keep_crowds: bool = True,
        skip_bad: bool = False,
    ) -> None:
        """Read the split's annotations; pictures are read when asked for.

        Args:
            root: folder with annotations and pictures.
            split: names the annotations, ``annotations/instances_SPLIT.json``, and the folder of the pictures.
            masks: whether the targets hold masks.
            keep_crowds: whether groups under one box stay in: for testing, where they count neither way
                (`detseg.metrics.coco_scores`); for training they are best left out.
            skip_bad: leave out boxes without area, instead of raising; the training set has a few.

        Raises:
            FileNotFoundError: a file that is missing, where to get it, and how the folder must look.
            ValueError: annotations that cannot be understood, naming the file.
        """
        self.root = Path(root)
        self.split = split
        self.masks = masks
        self.skip_bad = skip_bad
        path = require(self.root / "annotations" / f"instances_{split}.json", LAYOUT, SOURCE)
        try:
            read = json.loads(path.read_text())
            categories = sorted(read["categories"], key=lambda category: category["id"])
            self._images = sorted(read["images"], key=lambda image: image["id"])
            annotations = read["annotations"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is damaged, or holds no instances ({error!r}); unpack the data set again"
            ) from error
        self.classes = ("background", *(category["name"] for category in categories))
        self._label = {category["id"]: label for label, category in enumerate(categories, start=1)}
        self._annotations: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in annotations:
            if annotation["category_id"] not in self._label:
                raise ValueError(
                    f"{path}: annotation {annotation.get('id')} has the unknown category {annotation['category_id']}"
                )
            if keep_crowds or not annotation.get("iscrowd", 0):
                self._annotations[annotation["image_id"]].append(annotation)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The picture and its target; IndexError past the end.

        Raises:
            FileNotFoundError, ValueError: a picture that is missing or damaged; a box without area.
        """
        entry = self._images[index]
        name = entry["file_name"]
        image = read_image(require(self.root / self.split / name, LAYOUT, SOURCE))
        image_size = (image.shape[1], image.shape[2])
        annotations = self._annotations.get(entry["id"], [])
        corner1, size = _table(annotations, "bbox", 4).split(2, dim=1)  # 2 x [N, 2]
        boxes, kept = sound_boxes(
            torch.cat([corner1, corner1 + size], dim=1), image_size, name, self.skip_bad
        )
        annotations = [one for one, keep in zip(annotations, kept.tolist(), strict=True) if keep]
        labels = [self._label[one["category_id"]] for one in annotations]
        target: dict[str, Any] = {
            "boxes": boxes,
            "labels": torch.tensor(labels, dtype=torch.int64),
            "crowd": torch.tensor([bool(one.get("iscrowd", 0)) for one in annotations], dtype=torch.bool),
            "area": _table(annotations, "area", 1)[:, 0],
            "name": name,
        }
        if self.masks:
            masks = [
                _decode(one["segmentation"], image_size, f"{name}: object {one['id']}") for one in annotations
            ]
            target["instance_masks"] = (
                torch.stack(masks) if masks else torch.zeros(0, *image_size, dtype=torch.bool)
            )  # [N, H, W]
            target["class_mask"] = class_mask(target["instance_masks"], target["labels"], target["crowd"])
        check_target(target, image_size, name, len(self.classes))
        return image, target


def class_mask(instance_masks: Tensor, labels: Tensor, crowd: Tensor) -> Tensor:
    """The class of each pixel; 255 where a crowd is, or where objects of two classes overlap.

    Args:
        instance_masks: bool ``[N, H, W]``.
        labels: int64 ``[N]``.
        crowd: bool ``[N]``.

    Returns:
        uint8 ``[H, W]``.
    """
    painted = torch.zeros(instance_masks.shape[1:], dtype=torch.uint8)  # [H, W]
    for mask, label in zip(instance_masks, labels.tolist(), strict=True):
        taken = mask & (painted > 0) & (painted != label)
        painted[mask] = label
        painted[taken] = IGNORE
    painted[instance_masks[crowd].any(0)] = IGNORE
    return painted


def _table(annotations: list[dict[str, Any]], key: str, columns: int) -> Tensor:
    """One entry of all annotations: float32 ``[N, columns]``."""
    return torch.tensor([one[key] for one in annotations], dtype=torch.float32).reshape(-1, columns)


def _decode(segmentation: Any, image_size: tuple[int, int], name: str) -> Tensor:
    """Polygons, or a run-length code plain or compressed, as a mask bool ``[H, W]``."""
    try:
        if isinstance(segmentation, list):  # polygons
            rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, *image_size))
        elif isinstance(segmentation["counts"], list):  # plain
            rle = coco_mask.frPyObjects(segmentation, *image_size)
        else:
            rle = segmentation
        mask = torch.from_numpy(coco_mask.decode(rle).astype(np.bool_))  # [H, W]
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{name} has no mask that can be read ({error!r}); mend the annotation") from error
    if tuple(mask.shape) != image_size:
        raise ValueError(f"{name} has a mask of {list(mask.shape)}, the picture is {list(image_size)}")
    return mask
