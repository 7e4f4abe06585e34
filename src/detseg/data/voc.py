"""PASCAL VOC (Everingham et al. 2010), and whatever else is kept in its format."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from torch import Tensor
from torch.utils.data import Dataset

from detseg.data.reading import read_image, read_index_mask, require, sound_boxes
from detseg.data.targets import check_target

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""In the order of the masks' numbers, from 1."""

SOURCE = "http://host.robots.ox.ac.uk/pascal/VOC (VOC2007 and VOC2012: trainval)"
LAYOUT = """\
VOC2007/Annotations/000005.xml               one file a picture
VOC2007/ImageSets/Main/trainval.txt          names of the pictures of a split
VOC2007/ImageSets/Segmentation/trainval.txt  of those with class masks
VOC2007/JPEGImages/000005.jpg
VOC2007/SegmentationClass/000032.png         class masks"""


class VOC(Dataset[tuple[Tensor, dict[str, Any]]]):
    """Pictures with boxes, and with class masks where asked for.

    An item is `(image, target)`, as of `detseg.data.farm.FarmScenes`: image uint8 [3, H, W]; target a dict of
    boxes float32 [N, 4], labels int64 [N] (index into `classes`), difficult bool [N], name str and, where asked for,
    class_mask uint8 [H, W] (255 = ignore). Pictures differ in size: for batches see `detseg.data.fit_to_size`.

    ::

        train = FitToSize(VOC("VOCdevkit/VOC2007", "trainval", keep_difficult=False), (256, 320))
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        classes: Sequence[str] | None = VOC_CLASSES,
        keep_difficult: bool = True,
        class_masks: bool = False,
        skip_bad: bool = False,
    ) -> None:
        """Read the split's annotations; pictures are read when asked for.

        Args:
            root: folder with Annotations, ImageSets and JPEGImages.
            split: a file in ImageSets/Main, or in ImageSets/Segmentation with ``class_masks``.
            classes: without the background; None for all names in the annotations, in alphabetical order.
            keep_difficult: whether objects marked difficult stay in: for testing, where they count neither way
                (`detseg.metrics.match_detections`); for training they are best left out.
            class_masks: whether the targets hold class masks; only pictures that have one are read.
            skip_bad: leave out boxes without area, instead of raising.

        Raises:
            FileNotFoundError: a file that is missing, where to get it, and how the folder must look.
            ValueError: an annotation that cannot be understood, naming the file.
        """
        self.root = Path(root)
        self.class_masks = class_masks
        self.skip_bad = skip_bad
        sets = "Segmentation" if class_masks else "Main"
        listing = self._require(f"ImageSets/{sets}/{split}.txt")
        self.names = [line.split()[0] for line in listing.read_text().splitlines() if line.strip()]
        if classes is None:
            classes = _names_in(sorted(self._require("Annotations").glob("*.xml")))
        self.classes = ("background", *classes)
        annotations = [self._require(f"Annotations/{name}.xml") for name in self.names]
        self._objects = [_read_objects(path, self.classes, keep_difficult) for path in annotations]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The picture and its target; IndexError past the end.

        Raises:
            FileNotFoundError, ValueError: a picture or mask that is missing or damaged; a box without area.
        """
        name, (boxes, labels, difficult) = self.names[index], self._objects[index]
        image = read_image(self._require(f"JPEGImages/{name}.jpg"))
        image_size = (image.shape[1], image.shape[2])
        boxes, kept = sound_boxes(boxes, image_size, name, self.skip_bad)
        target: dict[str, Any] = {
            "boxes": boxes,
            "labels": labels[kept],
            "difficult": difficult[kept],
            "name": name,
        }
        if self.class_masks:
            target["class_mask"] = read_index_mask(self._require(f"SegmentationClass/{name}.png"))
        check_target(target, image_size, name, len(self.classes))
        return image, target

    def _require(self, path: str) -> Path:
        return require(self.root / path, LAYOUT, SOURCE)


def _read_objects(
    path: Path, classes: tuple[str, ...], keep_difficult: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes ``[N, 4]``, labels ``[N]`` and difficult ``[N]`` of an annotation.

    The file counts pixels from 1 and includes the last one: in our coordinates x1 and y1 are one less, x2 and y2 the
    same.
    """
    boxes, labels, difficult = [], [], []
    for thing in _parse(path).findall("object"):
        name = (thing.findtext("name") or "").strip()
        if name not in classes[1:]:
            raise ValueError(
                f"{path}: {name!r} is none of the classes {', '.join(classes[1:])}; pass classes=(...) with all names "
                "of your data set, or classes=None to find them"
            )
        is_difficult = (thing.findtext("difficult") or "0").strip() == "1"
        if is_difficult and not keep_difficult:
            continue
        try:
            x1, y1, x2, y2 = (
                float(thing.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError as error:
            raise ValueError(f"{path}: a {name} has no box of four numbers; mend the annotation") from error
        boxes.append([x1 - 1, y1 - 1, x2, y2])
        labels.append(classes.index(name))
        difficult.append(is_difficult)
    return (
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(difficult, dtype=torch.bool),
    )


def _names_in(paths: Sequence[Path]) -> list[str]:
    """All names of objects in these annotations, in alphabetical order."""
    return sorted(
        {(name.text or "").strip() for path in paths for name in _parse(path).findall("object/name")}
    )


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is damaged ({error}); unpack the data set again") from error
