"""R-CNN (Girshick et al. 2014): every proposal is cut out, warped to one size, and sent through the network alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.layers import warp_region
from detseg.models.backbone import MiniVGG
from detseg.models.fast_rcnn import fingerprint
from detseg.models.region_classifier import RegionClassifier

CROPS_AT_ONCE = 128
"""Crops that go through the network together: enough to keep it busy, few enough to keep memory small."""


class RCNN(RegionClassifier):
    """Section 2 of the paper. Two hundred proposals cost two hundred passes of the network."""

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        crop_size: int = 64,
        context: int = 8,
        hidden: int = 256,
        rois_per_image: int = 8,
        positive_fraction: float = 0.25,
        warp_region: Callable[..., Tensor] = warp_region,
        **operations: Any,
    ) -> None:
        """Build the layers.

        Args:
            backbone: features ``[N, 3, H, W]`` to ``[N, channels, H / stride, W / stride]``.
            num_classes: K, background included.
            crop_size: side of a warped region, pixels (the paper: 227).
            context: pixels of surroundings on each side of it (the paper: 16).
            hidden: width of the two fully connected layers (the paper: 4096).
            rois_per_image: drawn for fine-tuning from each image of a batch (the paper: 128 in all).
            positive_fraction: of them, at most.
            warp_region: see `detseg.layers`.
            operations: ``sample_rois``, ``nms``.
        """
        self.crop_size = crop_size
        self.context = context
        self.warp_region = warp_region
        side = crop_size // backbone.stride // 2  # cells of the last map, after one more pooling
        super().__init__(
            backbone,
            backbone.channels * side**2,
            num_classes,
            hidden,
            rois_per_image,
            positive_fraction,
            **operations,
        )

    def warp(self, images: Tensor, proposals: list[Tensor]) -> Tensor:
        """The crops ``[sum P_i, 3, S, S]`` of the regions of each image."""
        crops = [
            self.warp_region(image, box, self.crop_size, self.context)  # [3, S, S]
            for image, boxes in zip(images, proposals, strict=True)
            for box in boxes
        ]
        size = self.crop_size
        batch = torch.stack(crops) if crops else images.new_zeros(0, 3, size, size)  # [R, 3, S, S]
        if batch.shape[1:] != (3, size, size):
            raise ValueError(
                f"warp_region must return [3, {size}, {size}], it returned {list(batch.shape[1:])}"
            )
        return batch.contiguous(memory_format=torch.channels_last)

    def pool(self, images: Tensor, proposals: list[Tensor]) -> Tensor:
        """Crops, convolutions, a last pooling: ``[sum P_i, D]``, the paper's pool5 features."""
        crops = self.warp(images, proposals)
        if self.training:  # batch normalisation wants them together
            return self._convolve(crops)
        return torch.cat([self._convolve(some) for some in crops.split(CROPS_AT_ONCE)])

    def _convolve(self, crops: Tensor) -> Tensor:
        return F.max_pool2d(self.backbone(crops), 2).flatten(1)  # [R, C, S / 16, S / 16] -> [R, D]

    @property
    def recipe(self) -> dict[str, Any]:
        """See `RegionClassifier.recipe`."""
        return {**super().recipe, "context": self.context, "warp_region": fingerprint(self.warp_region)}
