"""SPP-net (He et al. 2014): the convolutions see the image once; a spatial pyramid makes a vector of any window."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.layers import spatial_pyramid_pool
from detseg.models.backbone import MiniVGG
from detseg.models.fast_rcnn import fingerprint
from detseg.models.region_classifier import RegionClassifier


class SPPNet(RegionClassifier):
    """Section 4 of the paper. Only the layers after the pyramid are trained; the convolutions stay as they are."""

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        levels: Sequence[int] = (4, 2, 1),
        scales: Sequence[float] = (1.0, 2.0),
        window_side: float = 64.0,
        hidden: int = 256,
        rois_per_image: int = 32,
        positive_fraction: float = 0.25,
        spatial_pyramid_pool: Callable[..., Tensor] = spatial_pyramid_pool,
        **operations: Any,
    ) -> None:
        """Build the layers.

        Args:
            backbone: features ``[N, 3, H, W]`` to ``[N, channels, H / stride, W / stride]``; its weights are frozen.
            num_classes: K, background included.
            levels: of the pyramid, bins a side (the paper: 6, 3, 2, 1).
            scales: of the image; each window is read where its area comes nearest to ``window_side`` squared (section
                4.1), the size the convolutions learned at.
            window_side: pixels (the paper: 224).
            hidden: width of the two fully connected layers (the paper: 4096).
            rois_per_image: drawn for fine-tuning from each image.
            positive_fraction: of them, at most.
            spatial_pyramid_pool: see `detseg.layers`.
            operations: ``sample_rois``, ``nms``.
        """
        pooled = backbone.channels * sum(level**2 for level in levels)
        super().__init__(
            backbone, pooled, num_classes, hidden, rois_per_image, positive_fraction, **operations
        )
        self.levels = tuple(levels)
        self.scales = tuple(scales)
        self.window_side = window_side
        self.spatial_pyramid_pool = spatial_pyramid_pool
        self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Everything but the backbone, whose running statistics are frozen as well."""
        super().train(mode)
        self.backbone.eval()
        return self

    def pool(self, images: Tensor, proposals: list[Tensor]) -> Tensor:
        """One pass of the convolutions at each scale, then the pyramid of every window: ``[sum P_i, D]``."""
        with torch.no_grad():
            maps = [self.backbone(self._resized(images, scale)) for scale in self.scales]  # each [N, C, h, w]
        pooled = []
        for index, boxes in enumerate(proposals):
            for box, scale in zip(boxes.tolist(), self._scale_of(boxes), strict=True):
                features = maps[scale][index : index + 1]  # [1, C, h, w]
                top, bottom, left, right = window(box, self.backbone.stride / self.scales[scale], features)
                cut = features[:, :, top:bottom, left:right]  # [1, C, cells, cells]
                pooled.append(self.spatial_pyramid_pool(cut, self.levels))  # [1, D]
        return torch.cat(pooled) if pooled else images.new_zeros(0, self.box_weight.shape[1])

    @staticmethod
    def _resized(images: Tensor, scale: float) -> Tensor:
        if scale == 1:
            return images
        return F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)

    def _scale_of(self, boxes: Tensor) -> list[int]:
        """Index of the scale for each box: where its side comes nearest, as a ratio, to ``window_side``."""
        sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1).prod(1).sqrt()  # [P]
        wanted = (self.window_side / sides).log()  # [P]
        scales = torch.tensor(self.scales, device=boxes.device).log()  # [scales]
        nearest: list[int] = (wanted[:, None] - scales).abs().argmin(1).tolist()
        return nearest

    @property
    def recipe(self) -> dict[str, Any]:
        """See `RegionClassifier.recipe`."""
        return {
            **super().recipe,
            "levels": self.levels,
            "scales": self.scales,
            "spatial_pyramid_pool": fingerprint(self.spatial_pyramid_pool),
        }


def window(box: Sequence[float], stride: float, features: Tensor) -> tuple[int, int, int, int]:
    """The cells (top, bottom, left, right; ends exclusive) whose centres lie in a box, at least one.

    The paper's appendix A does the same from the corners: it moves them inwards to whole cells.
    """
    edges = []
    for low, high, size in ((box[1], box[3], features.shape[2]), (box[0], box[2], features.shape[3])):
        first = min(max(math.ceil(low / stride - 0.5), 0), size - 1)
        end = min(math.ceil(high / stride - 0.5), size)
        edges += [first, max(end, first + 1)]
    top, bottom, left, right = edges
    return top, bottom, left, right
