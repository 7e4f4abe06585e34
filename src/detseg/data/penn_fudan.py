"""Penn-Fudan pedestrians (Wang et al. 2007): 170 street scenes with a mask for each person; boxes follow from masks."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from detseg.data.reading import read_image, read_index_mask, require
from detseg.data.targets import check_target

SOURCE = "https://www.cis.upenn.edu/~jshi/ped_html (PennFudanPed.zip, 51 MB)"
LAYOUT = """\
PennFudanPed/PNGImages/FudanPed00001.png
PennFudanPed/PedMasks/FudanPed00001_mask.png  0 for background, 1, 2 .. for the persons"""


class PennFudan(Dataset[tuple[Tensor, dict[str, Any]]]):
    """Street scenes with persons.

    An item is `(image, target)`, as of `detseg.data.farm.FarmScenes`: image uint8 [3, H, W]; target a dict of boxes
    float32 [N, 4] tight around the masks, labels int64 [N] (all 1), class_mask uint8 [H, W], instance_masks bool
    [N, H, W] and name str. Pictures differ in size: for batches see `detseg.data.fit_to_size`.
    """

    classes = ("background", "person")

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """List the pictures of a folder; they are read when asked for.

        Raises:
            FileNotFoundError: a folder or mask that is missing, where to get it, and how the folder must look.
        """
        self.root = Path(root)
        pictures = self._require("PNGImages")
        self.names = sorted(path.stem for path in pictures.glob("*.png"))
        if not self.names:
            require(pictures / "FudanPed00001.png", LAYOUT, SOURCE)
        for name in self.names:
            self._require(f"PedMasks/{name}_mask.png")

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The picture and its target; IndexError past the end.

        Raises:
            ValueError: a damaged file, or a mask of another size than its picture.
        """
        name = self.names[index]
        image = read_image(self.root / "PNGImages" / f"{name}.png")
        persons = read_index_mask(self.root / "PedMasks" / f"{name}_mask.png")  # [H, W]
        numbers = persons.unique()
        masks = persons == numbers[numbers > 0][:, None, None]  # [N, H, W]
        target = {
            "boxes": boxes_of_masks(masks),
            "labels": torch.ones(len(masks), dtype=torch.int64),
            "class_mask": (persons > 0).to(torch.uint8),
            "instance_masks": masks,
            "name": name,
        }
        check_target(target, (image.shape[1], image.shape[2]), name, len(self.classes))
        return image, target

    def _require(self, path: str) -> Path:
        return require(self.root / path, LAYOUT, SOURCE)


def boxes_of_masks(masks: Tensor) -> Tensor:
    """The smallest box around each mask: bool ``[N, H, W]``, none of them empty, to float32 ``[N, 4]``."""
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        box[:] = torch.cat([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return boxes
