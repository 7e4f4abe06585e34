"""Mask R-CNN (He et al. 2017): Faster R-CNN with RoIAlign, and one more head that draws a mask for each box."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detseg.layers import paste_masks, roi_align
from detseg.losses import mask_loss, mask_targets
from detseg.models.backbone import MiniVGG
from detseg.models.fast_rcnn import check_batch, fingerprint, rois_of
from detseg.models.faster_rcnn import FasterRCNN, SampledRois


class MaskRCNN(FasterRCNN):
    """The fifth loss: masks are learned beside classes and boxes, one for each class, on positive RoIs only."""

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        mask_pooled_size: int = 7,
        mask_channels: int = 64,
        hidden: int = 192,
        roi_align: Callable[..., Tensor] = roi_align,
        mask_targets: Callable[..., Tensor] = mask_targets,
        mask_loss: Callable[..., Tensor] = mask_loss,
        paste_masks: Callable[..., Tensor] = paste_masks,
        **faster_rcnn: Any,
    ) -> None:
        """Build the mask head.

        Args:
            backbone: features ``[N, 3, H, W]`` to ``[N, channels, H / stride, W / stride]``.
            num_classes: K, background included.
            mask_pooled_size: cells on each side of a RoI pooled for the mask head; masks are twice as fine (the paper:
                14, so 28 x 28).
            mask_channels: of the mask head (the paper: 256).
            hidden: width of the box head; smaller than Fast R-CNN's, to pay for the mask head.
            roi_align: does the pooling, for boxes and masks.
            mask_targets, mask_loss, paste_masks: see `detseg.losses` and `detseg.layers`.
            faster_rcnn: what else `FasterRCNN` takes.
        """
        super().__init__(backbone, num_classes, roi_pool=roi_align, hidden=hidden, **faster_rcnn)
        self.mask_pooled_size = mask_pooled_size
        self.roi_align = roi_align
        self.mask_targets = mask_targets
        self.mask_loss = mask_loss
        self.paste_masks = paste_masks
        self.mask_head = nn.Sequential(
            nn.Conv2d(backbone.channels, mask_channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(mask_channels, mask_channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(mask_channels, mask_channels, kernel_size=2, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(mask_channels, num_classes, kernel_size=1),
        )
        for layer in self.mask_head:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def mask_logits(self, features: Tensor, rois: Tensor) -> Tensor:
        """A mask for each class of each RoI: ``[R, K, m, m]``, m twice `mask_pooled_size`."""
        size = self.mask_pooled_size
        pooled = self.roi_align(
            features, rois, size, 1 / self.fast_rcnn.backbone.stride
        )  # [R, C, m / 2, m / 2]
        logits: Tensor = self.mask_head(pooled)  # [R, K, m, m]
        return logits

    def losses(
        self, images: Tensor, targets: list[dict[str, Tensor]], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The losses of Faster R-CNN and "mask".

        Args:
            images: ``[N, 3, H, W]``, normalised.
            targets: of each image, ``boxes [G, 4]``, ``labels [G]`` and ``instance_masks`` bool ``[G, H, W]``.
            generator: of the samplings.

        Returns:
            the five parts, cut off from the graph, which are for looking at; and "total", which carries the gradient.
        """
        check_batch(images, targets=targets)
        for index, target in enumerate(targets):
            if "instance_masks" not in target:
                raise ValueError(
                    f"target {index} has no instance_masks; make batches with DetectionBatches(scenes, masks=True)"
                )
        features = self.features(images)
        image_size = (images.shape[2], images.shape[3])
        losses, sampled = self.joint_losses(features, targets, image_size, generator)
        mask = self._mask_loss(features, targets, sampled)
        return {**losses, "mask": mask.detach(), "total": losses["total"] + mask}

    def _mask_loss(self, features: Tensor, targets: list[dict[str, Tensor]], sampled: SampledRois) -> Tensor:
        """Of the positive RoIs; each learns the part of its object's mask that it sees."""
        positive = sampled.labels > 0
        logits = self.mask_logits(features, sampled.rois[positive])  # [P, K, m, m]
        wanted = []
        for index, (target, matched) in enumerate(zip(targets, sampled.matched, strict=True)):
            boxes = sampled.rois[positive & (sampled.rois[:, 0] == index), 1:]  # [P_i, 4]
            masks = target["instance_masks"]
            wanted.append(self.mask_targets(masks, boxes, matched[matched >= 0], logits.shape[-1]))
        return self.mask_loss(logits, sampled.labels[positive], torch.cat(wanted))

    def detect(
        self,
        features: Tensor,
        image_size: tuple[int, int],
        score_threshold: float,
        nms_threshold: float,
        limit: int,
    ) -> list[tuple[Tensor, ...]]:
        """Detections of each image: boxes ``[D, 4]``, scores ``[D]``, labels ``[D]`` and masks bool ``[D, H, W]``.

        Masks are drawn for the boxes that are left at the end (section 3.1, "Inference"): better boxes give better
        masks, and there are fewer of them.
        """
        found = super().detect(features, image_size, score_threshold, nms_threshold, limit)
        labels = torch.cat([of_image[2] for of_image in found])
        logits = self.mask_logits(features, rois_of([of_image[0] for of_image in found]))  # [D, K, m, m]
        masks = logits[torch.arange(len(labels), device=labels.device), labels].sigmoid()  # [D, m, m]
        return [
            (*of_image, self.paste_masks(its_masks, of_image[0], image_size))
            for of_image, its_masks in zip(found, masks.split([len(f[0]) for f in found]), strict=True)
        ]

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: the settings, and whose functions are at work."""
        functions = {"mask_targets": self.mask_targets, "mask_loss": self.mask_loss}
        return {
            **super().recipe,
            "mask_pooled_size": self.mask_pooled_size,
            **{name: fingerprint(function) for name, function in functions.items()},
        }
