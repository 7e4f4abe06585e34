"""Detection by classifying windows: crop a great many, ask of each "which class, or background?"."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detseg.boxes import box_iou, check_boxes
from detseg.models.backbone import MiniVGG
from detseg.models.detect import detect
from detseg.models.fast_rcnn import check_batch
from detseg.models.fingerprint import fingerprint
from detseg.proposals import match_boxes, sample_rois
from detseg.tensors import check_floating, check_tensors, exact


def crop_windows(image: Tensor, windows: Tensor, size: int) -> Tensor:
    """Cut windows out of an image, and bring each to ``size`` x ``size`` by bilinear interpolation.

    Args:
        image: ``[C, H, W]``, floating point; half precision is computed in float32.
        windows: ``[R, 4]``, pixels; beyond the border the nearest pixel counts.
        size: pixels a side.

    Returns:
        ``[R, C, size, size]`` in the dtype of ``image``.

    Raises:
        TypeError: an image that is not floating point.
        ValueError: an image of another shape, a size below 1; see also :func:`detseg.boxes.check_boxes`.
    """
    check_floating(image=image)
    check_boxes(windows, "windows")
    check_tensors(image=image, windows=windows)
    if image.dim() != 3 or 0 in image.shape[1:] or size < 1:
        raise ValueError(
            f"image must be [C, H, W] with H, W > 0 and size at least 1, got {list(image.shape)}, {size}"
        )
    dtype = exact(image)
    height, width = image.shape[1:]
    steps = (torch.arange(size, device=image.device, dtype=dtype) + 0.5) / size  # [size], cell centres
    x1, y1, x2, y2 = windows.to(dtype).unbind(1)  # [R] each
    x = (
        2 * (x1[:, None] + steps * (x2 - x1)[:, None]) / width - 1
    )  # [R, size]; -1 and 1: left and right border
    y = 2 * (y1[:, None] + steps * (y2 - y1)[:, None]) / height - 1  # [R, size]
    grid = torch.stack(
        [x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=3
    )  # [R, size, size, 2]
    # One tall picture of all windows: the image is read once, not copied for each window.
    tall = grid.reshape(1, -1, size, 2)  # [1, R size, size, 2]
    pixels = image[None].to(dtype)
    crops = F.grid_sample(pixels, tall, mode="bilinear", padding_mode="border", align_corners=False)[0]
    crops = crops.view(len(image), len(windows), size, size)
    return crops.transpose(0, 1).to(image.dtype)  # [R, C, size, size]


class SlidingWindowClassifier(nn.Module):
    """A crop classifier with a class for "background", run on every window of `detseg.boxes.sliding_windows`.

    A window is the box: nothing moves it onto the object. Tight boxes therefore need windows at every place, size and
    shape, about 100 000 for a photograph; each costs a pass of the convolutions. Proposals (fewer windows) and shared
    convolutions (a cheaper window) are the two ways out.

    ::

        windows = sliding_windows(128, 128, sizes=(20, 28, 40, 56, 80), ratios=(0.6, 1, 1.6), stride=8)
        fit(model, DetectionBatches(scenes, [windows] * len(scenes)), epochs=4)
    """

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        crop_size: int = 32,
        windows_per_image: int = 24,
        positive_fraction: float = 0.5,
        match_boxes: Callable[..., Tensor] = match_boxes,
        sample_rois: Callable[..., Tensor] = sample_rois,
        detect: Callable[..., tuple[Tensor, Tensor, Tensor]] = detect,
    ) -> None:
        """Build the classifier.

        Args:
            backbone: features of a crop.
            num_classes: K, background included.
            crop_size: side that every window is brought to, pixels.
            windows_per_image: drawn for training from each image.
            positive_fraction: of them, at most.
            match_boxes, sample_rois, detect: see `detseg.proposals` and `detseg.models.detect`.
        """
        super().__init__()
        if crop_size < backbone.stride:
            raise ValueError(
                f"SlidingWindowClassifier: crop_size must be at least {backbone.stride}, got {crop_size}"
            )
        self.backbone = backbone
        self.num_classes = num_classes
        self.crop_size = crop_size
        self.windows_per_image = windows_per_image
        self.positive_fraction = positive_fraction
        self.match_boxes = match_boxes
        self.sample_rois = sample_rois
        self.detect = detect
        cells = crop_size // backbone.stride
        self.fc = nn.Linear(backbone.channels * cells**2, 128)
        self.classify = nn.Linear(128, num_classes)

    def forward(self, crops: Tensor) -> Tensor:
        """Class logits ``[R, K]`` of normalised crops ``[R, 3, crop_size, crop_size]``; class 0 is background."""
        features = self.backbone(crops.contiguous(memory_format=torch.channels_last))  # [R, C, s / 8, s / 8]
        logits: Tensor = self.classify(F.relu(self.fc(features.flatten(1))))  # [R, K]
        return logits

    def losses(
        self,
        images: Tensor,
        targets: list[dict[str, Tensor]],
        windows: list[Tensor],
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """``{"class": scalar}``: cross-entropy on windows sampled from each image.

        A window stands for the object that it overlaps by IoU 0.5 or more; below 0.3 it is background; those between
        are not drawn, nobody could tell what they should be called.

        Args:
            images: ``[N, 3, H, W]``, normalised.
            targets: of each image, ``boxes [G, 4]`` and ``labels [G]``.
            windows: of each image, ``[R, 4]``.
            generator: of the sampling.
        """
        check_batch(images, windows, targets)
        crops, labels = [], []
        for image, target, of_image in zip(images, targets, windows, strict=True):
            candidates = torch.cat([of_image, target["boxes"]])  # [R + G, 4]
            matched = self.match_boxes(box_iou(target["boxes"], candidates), high=0.5, low=0.3)  # [R + G]
            kept = self.sample_rois(matched, self.windows_per_image, self.positive_fraction, generator)
            crops.append(crop_windows(image, candidates[kept], self.crop_size))
            own = torch.zeros_like(kept)  # background
            positive = matched[kept] >= 0
            own[positive] = target["labels"][matched[kept][positive]]
            labels.append(own)
        return {"class": F.cross_entropy(self(torch.cat(crops)), torch.cat(labels))}

    @torch.no_grad()
    def predict(
        self,
        images: Tensor,
        windows: list[Tensor],
        score_threshold: float = 0.01,
        nms_threshold: float = 0.3,
        limit: int = 50,
        batch_size: int = 512,
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Detections of each image: boxes ``[D, 4]`` (some of the windows), scores ``[D]``, labels ``[D]``, best first.

        ``batch_size`` windows are classified at a time; memory grows with it. Leaves evaluation mode on.
        """
        check_batch(images, windows)
        self.eval()
        image_size = (images.shape[2], images.shape[3])
        found = []
        for image, of_image in zip(images, windows, strict=True):
            logits = torch.cat(
                [self(crop_windows(image, some, self.crop_size)) for some in of_image.split(batch_size)]
            )  # [R, K]
            unmoved = logits.new_zeros(*logits.shape, 4)  # deltas of zero: the window is the box
            found.append(
                self.detect(logits, unmoved, of_image, image_size, score_threshold, nms_threshold, limit)
            )
        return found

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: the sampling, and whose functions are at work."""
        names = ("match_boxes", "sample_rois")
        return {
            "windows_per_image": self.windows_per_image,
            "positive_fraction": self.positive_fraction,
            **{name: fingerprint(getattr(self, name)) for name in names},
        }
