"""What training and testing a detector share: batches of scenes with proposals, and mean average precision."""

from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm.auto import tqdm

from detseg.metrics import mean_average_precision
from detseg.models.backbone import normalise

Detections = tuple[Tensor, Tensor, Tensor]  # boxes, scores, labels


class Scenes(Protocol):
    """Images with their targets, such as `detseg.data.farm.FarmScenes`."""

    def __len__(self) -> int:
        """The number of images."""

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """A uint8 image ``[3, H, W]`` and its target with ``boxes`` and ``labels``."""


class Predicts(Protocol):
    """A detector that works on given proposals, such as `detseg.models.fast_rcnn.FastRCNN`."""

    def predict(self, images: Tensor, proposals: list[Tensor]) -> list[Detections]:
        """Detections of each image."""


class DetectionBatches:
    """Scenes and their proposals for `detseg.training.loop.fit`; half of the images are mirrored."""

    def __init__(self, scenes: Scenes, proposals: list[Tensor], flip: float = 0.5) -> None:
        """Join scenes and proposals.

        Args:
            scenes: images of one size, with targets.
            proposals: ``[P, 4]`` for each scene, best first.
            flip: the probability of mirroring an image; boxes and proposals go with it.
        """
        if len(scenes) != len(proposals):
            raise ValueError(
                f"{len(scenes)} scenes, but proposals of {len(proposals)}; both must be of the same images"
            )
        self.scenes = scenes
        self.proposals = proposals
        self.flip = flip

    def __len__(self) -> int:
        """The number of scenes."""
        return len(self.scenes)

    def batch(
        self, indices: list[int], generator: torch.Generator, device: str = "cpu"
    ) -> tuple[Tensor, list[dict[str, Tensor]], list[Tensor]]:
        """Normalised images ``[N, 3, H, W]``, targets and proposals, as ``FastRCNN.losses`` takes them."""
        images, targets, proposals = [], [], []
        for index in indices:
            image, target = self.scenes[index]
            boxes, candidates = target["boxes"], self.proposals[index]
            if torch.rand((), generator=generator) < self.flip:
                width = image.shape[2]
                image, boxes, candidates = (
                    image.flip(2),
                    flip_boxes(boxes, width),
                    flip_boxes(candidates, width),
                )
            images.append(image)
            targets.append({"boxes": boxes.to(device), "labels": target["labels"].to(device)})
            proposals.append(candidates.to(device))
        return normalise(torch.stack(images).to(device)), targets, proposals


def flip_boxes(boxes: Tensor, width: float) -> Tensor:
    """Boxes ``[N, 4]`` after their image of this width is mirrored left to right."""
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([width - x2, y1, width - x1, y2], dim=1)  # [N, 4]


def predict_scenes(
    model: Predicts,
    scenes: Scenes,
    proposals: list[Tensor],
    batch_size: int = 10,
    device: str = "cpu",
    progress: bool = True,
) -> list[Detections]:
    """Detections on every scene: boxes ``[D, 4]``, scores and labels ``[D]``, best first."""
    detections: list[Detections] = []
    for start in tqdm(range(0, len(scenes), batch_size), desc="detect", disable=not progress):
        indices = range(start, min(start + batch_size, len(scenes)))
        images = torch.stack([scenes[index][0] for index in indices])  # [N, 3, H, W]
        boxes = [proposals[index].to(device) for index in indices]
        found = model.predict(normalise(images.to(device)), boxes)
        detections += [(b.cpu(), scores.cpu(), labels.cpu()) for b, scores, labels in found]
    return detections


def evaluate(
    model: Predicts,
    scenes: Scenes,
    proposals: list[Tensor],
    num_classes: int = 6,
    device: str = "cpu",
    progress: bool = True,
) -> tuple[float, list[float]]:
    """Mean average precision at IoU 0.5 (VOC 2010 rule), and the average precision of each class from 1."""
    detections = predict_scenes(model, scenes, proposals, device=device, progress=progress)
    targets = [scenes[index][1] for index in range(len(scenes))]
    return mean_average_precision(detections, targets, num_classes, iou_threshold=0.5, method="voc10")
