"""Pictures of all sizes in one: networks learn from batches, and a batch has one size."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from detseg.boxes.geometry import check_image_size, clip_boxes

GREY = 118
"""Fills what a picture leaves free: the mean colour, which normalisation turns into 0."""
IGNORE = 255


class Scenes(Protocol):
    """Pictures with their targets."""

    def __len__(self) -> int:
        """The number of pictures."""

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """A uint8 image ``[3, H, W]`` and its target."""


class FitToSize(Dataset[tuple[Tensor, dict[str, Any]]]):
    """A data set whose pictures all have one size; see `fit_to_size`."""

    def __init__(self, scenes: Scenes, image_size: tuple[int, int]) -> None:
        """Wrap a data set.

        Args:
            scenes: such as `detseg.data.voc.VOC`.
            image_size: (height, width), pixels.
        """
        check_image_size(image_size)
        self.scenes = scenes
        self.image_size = image_size

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The picture and its target, both fitted."""
        return fit_to_size(*self.scenes[index], self.image_size)


def fit_to_size(
    image: Tensor, target: dict[str, Any], image_size: tuple[int, int]
) -> tuple[Tensor, dict[str, Any]]:
    """Scale a picture, keeping its proportions, until it just fits; what stays free, right or below, is grey.

    Args:
        image: uint8 ``[3, H, W]``.
        target: "boxes" ``[N, 4]`` and, where there are any, "instance_masks" ``[N, H, W]`` and "area" ``[N]`` are
            scaled with it, "class_mask" ``[H, W]`` as well, and 255 (ignore) where the picture leaves space. Everything
            else stays.
        image_size: (height, width) of the result, pixels.

    Returns:
        The image uint8 ``[3, height, width]`` and a new target.
    """
    check_image_size(image_size)
    height, width = image.shape[1:]
    scale = min(image_size[0] / height, image_size[1] / width)
    new_size = max(round(height * scale), 1), max(round(width * scale), 1)
    free = (0, image_size[1] - new_size[1], 0, image_size[0] - new_size[0])  # left, right, above, below
    # Scaled to whole pixels, height and width may differ a little in their factor.
    down, across = new_size[0] / height, new_size[1] / width

    smooth = F.interpolate(image[None].float(), new_size, mode="bilinear", antialias=True)[0]  # [3, h, w]
    fitted = F.pad(smooth.round().clamp(0, 255).to(torch.uint8), free, value=GREY)  # [3, height, width]
    boxes = target["boxes"] * target["boxes"].new_tensor([across, down, across, down])
    new: dict[str, Any] = {**target, "boxes": clip_boxes(boxes, new_size)}
    if "area" in target:
        new["area"] = target["area"] * (across * down)
    if "class_mask" in target:
        new["class_mask"] = F.pad(_nearest(target["class_mask"][None], new_size)[0], free, value=IGNORE)
    if "instance_masks" in target:
        new["instance_masks"] = F.pad(_nearest(target["instance_masks"], new_size), free, value=False)
    return fitted, new


def stack_images(images: Sequence[Tensor]) -> Tensor:
    """Images ``[3, H, W]`` as one batch ``[N, 3, H, W]``.

    Raises:
        ValueError: images of different sizes, or none.
    """
    sizes = sorted({tuple(image.shape) for image in images})
    if len(sizes) != 1:
        raise ValueError(
            f"the images of a batch must have one size, got {', '.join(map(str, map(list, sizes))) or 'no image'}; "
            "wrap the data set: detseg.data.fit_to_size.FitToSize(scenes, (height, width))"
        )
    return torch.stack([*images])


def _nearest(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks ``[N, H, W]`` at another size: each pixel takes the one at its centre, for labels cannot be mixed."""
    rows, columns = (
        ((torch.arange(new) + 0.5) * (old / new)).long()
        for new, old in zip(size, masks.shape[1:], strict=True)
    )
    return masks[:, rows[:, None], columns]
