"""What training and testing a segmenter share: batches of scenes with class masks, and mean IoU."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm.auto import tqdm

from detseg.data.fit_to_size import stack_images
from detseg.metrics import confusion_matrix, mean_iou
from detseg.models.backbone import normalise
from detseg.training.out_of_memory import explain_out_of_memory

IGNORE = 255


class Scenes(Protocol):
    """Images with their class masks, such as `detseg.data.farm.FarmScenes`."""

    def __len__(self) -> int:
        """The number of images."""

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """A uint8 image ``[3, H, W]`` and its target with ``class_mask [H, W]``."""


class Segments(Protocol):
    """A network that names the class of every pixel, such as `detseg.models.fcn.FCN`."""

    def predict(self, images: Tensor) -> Tensor:
        """Labels int64 ``[N, H, W]`` of normalised images ``[N, 3, H, W]``."""


class SegmentationBatches:
    """Scenes with their class masks for `detseg.training.loop.fit`; half of them are mirrored."""

    def __init__(self, scenes: Scenes, flip: float = 0.5, background: float = 1.0) -> None:
        """Take the scenes.

        Args:
            scenes: images of one size, with targets.
            flip: the probability of mirroring an image with its mask.
            background: the fraction of background pixels to learn from, drawn anew for each batch; the others are
                ignored. With four fifths of all pixels background, a decoder that starts from nothing learns in its
                first steps that everything is background, and rare classes may never recover.
        """
        if not 0 < background <= 1:
            raise ValueError(f"background must be above 0 and at most 1, got {background}")
        self.scenes = scenes
        self.flip = flip
        self.background = background

    def __len__(self) -> int:
        """The number of scenes."""
        return len(self.scenes)

    def batch(
        self, indices: list[int], generator: torch.Generator, device: str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """Normalised images ``[N, 3, H, W]`` and class masks int64 ``[N, H, W]``, as ``FCN.losses`` takes them."""
        images, masks = [], []
        for index in indices:
            image, target = self.scenes[index]
            mask = target["class_mask"]
            if torch.rand((), generator=generator) < self.flip:
                image, mask = image.flip(2), mask.flip(1)
            images.append(image)
            masks.append(mask)
        class_masks = torch.stack(masks).long()  # [N, H, W]
        if self.background < 1:
            spared = torch.rand(class_masks.shape, generator=generator) >= self.background
            class_masks[(class_masks == 0) & spared] = IGNORE
        return normalise(stack_images(images).to(device)), class_masks.to(device)


def evaluate(
    model: Segments,
    scenes: Scenes,
    num_classes: int = 6,
    batch_size: int = 10,
    device: str = "cpu",
    progress: bool = True,
    confusion_matrix: Callable[..., Tensor] = confusion_matrix,
    mean_iou: Callable[[Tensor], tuple[float, Tensor]] = mean_iou,
) -> tuple[float, list[float]]:
    """Mean IoU over all scenes, and the IoU of each class from 0 (NaN: nowhere), from one confusion matrix."""
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)  # [K, K]
    for start in tqdm(range(0, len(scenes), batch_size), desc="segment", disable=not progress):
        items = [scenes[index] for index in range(start, min(start + batch_size, len(scenes)))]
        images = stack_images([image for image, _ in items])  # [n, 3, H, W]
        with explain_out_of_memory("segmentation", batch_size):
            predicted = model.predict(normalise(images.to(device))).cpu()  # [n, H, W]
        class_masks = torch.stack([target["class_mask"] for _, target in items]).long()  # [n, H, W]
        confusion += confusion_matrix(predicted, class_masks, num_classes)
    mean, per_class = mean_iou(confusion)
    return float(mean), per_class.tolist()
