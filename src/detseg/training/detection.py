"""What training and testing a detector share: batches of scenes, with proposals or without, and average precision."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm.auto import tqdm

from detseg.data.fit_to_size import stack_images
from detseg.metrics import mean_average_precision
from detseg.metrics.mask_average_precision import mask_average_precision
from detseg.models.backbone import normalise
from detseg.training.out_of_memory import TESTING, explain_out_of_memory

Detections = tuple[Tensor, ...]  # boxes, scores, labels; Mask R-CNN adds masks


class Scenes(Protocol):
    """Images with their targets, such as `detseg.data.farm.FarmScenes`."""

    def __len__(self) -> int:
        """The number of images."""

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """A uint8 image ``[3, H, W]`` and its target with ``boxes`` and ``labels``."""


class Predicts(Protocol):
    """A detector such as `detseg.models.fast_rcnn.FastRCNN`."""

    @property
    def predict(self) -> Callable[..., list[Any]]:
        """Detections of each image, of ``(images, proposals)`` or, where it proposes itself, of ``(images)``."""


class DetectionBatches:
    """Scenes and their proposals, if any, for `detseg.training.loop.fit`; half of the images are mirrored."""

    def __init__(
        self, scenes: Scenes, proposals: list[Tensor] | None = None, flip: float = 0.5, masks: bool = False
    ) -> None:
        """Join scenes and proposals.

        Args:
            scenes: images of one size, with targets.
            proposals: ``[P, 4]`` for each scene, best first; None for a model that proposes itself.
            flip: the probability of mirroring an image; boxes, proposals and masks go with it.
            masks: whether the targets hold ``instance_masks`` as well.
        """
        if proposals is not None and len(scenes) != len(proposals):
            raise ValueError(
                f"{len(scenes)} scenes, but proposals of {len(proposals)}; both must be of the same images"
            )
        self.scenes = scenes
        self.proposals = proposals
        self.flip = flip
        self.masks = masks

    def __len__(self) -> int:
        """The number of scenes."""
        return len(self.scenes)

    def batch(self, indices: list[int], generator: torch.Generator, device: str = "cpu") -> tuple[Any, ...]:
        """Normalised images ``[N, 3, H, W]``, targets and, where there are any, proposals: what ``losses`` takes."""
        images, targets, proposals = [], [], []
        for index in indices:
            image, whole = self.scenes[index]
            target = {"boxes": whole["boxes"], "labels": whole["labels"]}
            if self.masks:
                target["instance_masks"] = whole["instance_masks"]  # [G, H, W]
            candidates = self.proposals[index] if self.proposals is not None else None
            if torch.rand((), generator=generator) < self.flip:
                width = image.shape[2]
                image = image.flip(2)
                target["boxes"] = flip_boxes(target["boxes"], width)
                if self.masks:
                    target["instance_masks"] = target["instance_masks"].flip(2)
                if candidates is not None:
                    candidates = flip_boxes(candidates, width)
            images.append(image)
            targets.append({name: value.to(device) for name, value in target.items()})
            if candidates is not None:
                proposals.append(candidates.to(device))
        inputs = normalise(stack_images(images).to(device))
        return (inputs, targets) if self.proposals is None else (inputs, targets, proposals)


def flip_boxes(boxes: Tensor, width: float) -> Tensor:
    """Boxes ``[N, 4]`` after their image of this width is mirrored left to right."""
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=1)  # [N, 4]


def predict_scenes(
    model: Predicts,
    scenes: Scenes,
    proposals: list[Tensor] | None = None,
    batch_size: int = 10,
    device: str = "cpu",
    progress: bool = True,
) -> list[Detections]:
    """Detections on every scene: boxes ``[D, 4]``, scores and labels ``[D]``, best first.

    ``proposals`` are for a model that needs some. Mask R-CNN's masks ``[D, H, W]`` come last.
    """
    most = None if proposals is None else max(map(len, proposals), default=0)
    detections: list[Detections] = []
    for start in tqdm(range(0, len(scenes), batch_size), desc="detect", disable=not progress):
        indices = range(start, min(start + batch_size, len(scenes)))
        images = stack_images([scenes[index][0] for index in indices])  # [N, 3, H, W]
        boxes = [] if proposals is None else [[proposals[index].to(device) for index in indices]]
        with explain_out_of_memory("detection", batch_size, model, TESTING, most):
            found = model.predict(normalise(images.to(device)), *boxes)
        detections += [tuple(part.cpu() for part in of_image) for of_image in found]
    return detections


def evaluate(
    model: Predicts,
    scenes: Scenes,
    proposals: list[Tensor] | None = None,
    num_classes: int = 6,
    device: str = "cpu",
    progress: bool = True,
) -> tuple[float, list[float]]:
    """Mean average precision at IoU 0.5 (VOC 2010 rule), and the average precision of each class from 1."""
    detections = predict_scenes(model, scenes, proposals, device=device, progress=progress)
    boxes = [(of_image[0], of_image[1], of_image[2]) for of_image in detections]
    targets = [scenes[index][1] for index in range(len(scenes))]
    return mean_average_precision(boxes, targets, num_classes, iou_threshold=0.5, method="voc10")


def evaluate_masks(
    detections: list[Detections], scenes: Scenes, num_classes: int = 6
) -> tuple[float, list[float]]:
    """As `evaluate`, with the IoU of masks, for detections of Mask R-CNN by `predict_scenes`."""
    targets = [scenes[index][1] for index in range(len(scenes))]
    masks = [(of_image[3], of_image[1], of_image[2]) for of_image in detections]
    return mask_average_precision(masks, targets, num_classes, iou_threshold=0.5, method="voc10")
