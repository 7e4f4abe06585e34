"""The region proposal network (Faster R-CNN, Ren 2015, section 3.1): the features say where to look."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detseg.boxes import check_boxes, check_image_size, clip_boxes, decode_boxes, nms
from detseg.losses import rpn_loss
from detseg.proposals.anchors import assign_anchors, cell_anchors, grid_anchors
from detseg.proposals.sampling import sample_rois
from detseg.tensors import check_floating, check_tensors, exact

RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
"""Anchors are coded without weights: the targets of anchors at IoU 0.7 spread less than those of proposals."""


class RPNHead(nn.Module):
    """A small network slid over the map: at each cell, is there an object at each anchor, and where exactly?"""

    def __init__(self, channels: int, anchors_per_cell: int) -> None:
        """Build a 3x3 convolution and two 1x1 ones; first weights of standard deviation 0.01 (section 3.1.3)."""
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.objectness = nn.Conv2d(channels, anchors_per_cell, kernel_size=1)
        self.regress = nn.Conv2d(channels, 4 * anchors_per_cell, kernel_size=1)
        for layer in (self.conv, self.objectness, self.regress):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Judge every anchor of the map.

        Args:
            features: ``[N, C, H, W]``.

        Returns:
            objectness logits ``[N, H x W x A]`` and deltas ``[N, H x W x A, 4]``, in the order of
            :func:`detseg.proposals.grid_anchors`: row, column, anchor.
        """
        hidden = self.conv(features).relu()  # [N, C, H, W]
        objectness = self.objectness(hidden).permute(0, 2, 3, 1).flatten(1)  # [N, A, H, W] -> [N, H x W x A]
        deltas = self.regress(hidden).permute(0, 2, 3, 1).reshape(*objectness.shape, 4)  # [N, H x W x A, 4]
        return objectness, deltas


def filter_proposals(
    objectness: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    image_size: tuple[int, int],
    pre_nms: int,
    post_nms: int,
    nms_threshold: float = 0.7,
    min_size: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Turn one image's judged anchors into proposals (section 3.3, "Implementation details").

    The best ``pre_nms`` anchors are decoded, clipped to the image, dropped where a side is shorter than
    ``min_size``, and thinned by NMS to the best ``post_nms``.

    Args:
        objectness: ``[N]`` logits; half precision is computed in float32.
        deltas: ``[N, 4]``, without weights.
        anchors: ``[N, 4]``, pixels.
        image_size: ``(height, width)``, pixels.
        pre_nms: anchors to decode (the paper: 6000 for testing).
        post_nms: the most proposals to return (the paper: 2000 for training, 300 for testing).
        nms_threshold: see :func:`detseg.boxes.nms`.
        min_size: the shortest side, pixels; a side that equals it stays.

    Returns:
        boxes float32 ``[P, 4]`` and scores ``[P]``, the sigmoid of the objectness in its dtype, best first.

    Raises:
        TypeError, ValueError: shapes that do not agree; logits or deltas that are not finite; counts below 0; see
            also :func:`detseg.boxes.check_boxes` and :func:`detseg.boxes.nms`.
    """
    check_boxes(anchors, "anchors")
    check_floating(objectness=objectness, deltas=deltas)
    check_tensors(anchors=anchors, objectness=objectness)
    check_image_size(image_size)
    if objectness.shape != (len(anchors),) or deltas.shape != (len(anchors), 4):
        raise ValueError(
            f"objectness and deltas must be [{len(anchors)}] and [{len(anchors)}, 4], one for each anchor, "
            f"got {list(objectness.shape)} and {list(deltas.shape)}"
        )
    for name, values in (("objectness", objectness), ("deltas", deltas)):
        if not values.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity: the RPN has diverged, lower the learning rate")
    if pre_nms < 0 or post_nms < 0:
        raise ValueError(f"pre_nms and post_nms must not be negative, got {pre_nms} and {post_nms}")
    best = objectness.argsort(descending=True, stable=True)[:pre_nms]  # [<= pre_nms]
    boxes = clip_boxes(decode_boxes(deltas[best], anchors[best], RPN_WEIGHTS), image_size)
    large = ((boxes[:, 2:] - boxes[:, :2]) >= min_size).all(1)
    boxes, scores = boxes[large], objectness[best][large].to(exact(objectness)).sigmoid()
    kept = nms(boxes, scores, nms_threshold)[:post_nms]
    return boxes[kept], scores[kept].to(objectness.dtype)


class RegionProposalNetwork(nn.Module):
    """Anchors, the head that judges them, what they learn, and which of them become proposals.

    The operations are arguments, so that a learner's own ones can do the work.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        sizes: tuple[float, ...] = (16.0, 32.0, 64.0),
        ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        anchors_per_image: int = 64,
        positive_fraction: float = 0.5,
        high: float = 0.6,
        low: float = 0.3,
        nms_threshold: float = 0.7,
        rpn_head: Callable[[int, int], nn.Module] = RPNHead,
        cell_anchors: Callable[..., Tensor] = cell_anchors,
        grid_anchors: Callable[..., Tensor] = grid_anchors,
        assign_anchors: Callable[..., tuple[Tensor, Tensor]] = assign_anchors,
        sample_rois: Callable[..., Tensor] = sample_rois,
        rpn_loss: Callable[..., tuple[Tensor, Tensor]] = rpn_loss,
        filter_proposals: Callable[..., tuple[Tensor, Tensor]] = filter_proposals,
    ) -> None:
        """Build the head for the anchors of a cell.

        Args:
            channels: of the features.
            stride: pixels for one cell of the features.
            sizes: square roots of the anchors' areas, pixels (the paper: 128, 256, 512 on images of 600).
            ratios: their heights over their widths.
            anchors_per_image: to learn from, drawn in each step (the paper: 256).
            positive_fraction: of them, at most.
            high, low: from which IoU an anchor is positive, below which it is background (the paper: 0.7 and
                0.3; on a map of 16 x 16 cells few anchors reach 0.7).
            nms_threshold: between proposals.
            rpn_head: the class, called as ``rpn_head(channels, anchors_per_cell)``.
            cell_anchors, grid_anchors, assign_anchors, sample_rois, rpn_loss, filter_proposals: see
                `detseg.proposals` and `detseg.losses`.
        """
        super().__init__()
        self.stride = stride
        self.anchors_per_image = anchors_per_image
        self.positive_fraction = positive_fraction
        self.high, self.low = high, low
        self.nms_threshold = nms_threshold
        self.cell_anchors = cell_anchors
        self.grid_anchors = grid_anchors
        self.assign_anchors = assign_anchors
        self.sample_rois = sample_rois
        self.rpn_loss = rpn_loss
        self.filter_proposals = filter_proposals
        self.register_buffer("cell", cell_anchors(sizes, ratios), persistent=False)  # [A, 4]
        self.head = rpn_head(channels, len(sizes) * len(ratios))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Objectness ``[N, H x W x A]``, deltas ``[N, H x W x A, 4]`` and anchors ``[H x W x A, 4]``."""
        objectness, deltas = self.head(features)
        height, width = features.shape[2:]
        anchors = self.grid_anchors((height, width), self.stride, self.cell)  # [H x W x A, 4]
        if objectness.shape != (len(features), len(anchors)) or deltas.shape != (*objectness.shape, 4):
            raise ValueError(
                f"the RPN's head must return [{len(features)}, {len(anchors)}] and [{len(features)}, {len(anchors)}, "
                f"4] for the {len(anchors)} anchors, it returned {list(objectness.shape)} and {list(deltas.shape)}"
            )
        return objectness, deltas, anchors

    def losses(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        targets: list[dict[str, Tensor]],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """The objectness and the box loss (equation 1), means over the images; arguments as `forward` gives them."""
        parts = []
        for of_image, its_deltas, target in zip(objectness, deltas, targets, strict=True):
            matched, target_deltas = self.assign_anchors(anchors, target["boxes"], self.high, self.low)
            sampled = self.sample_rois(matched, self.anchors_per_image, self.positive_fraction, generator)
            parts.append(self.rpn_loss(of_image, its_deltas, matched, target_deltas, sampled))
        objectness_losses, box_losses = zip(*parts, strict=True)
        return torch.stack(objectness_losses).mean(), torch.stack(box_losses).mean()

    @torch.no_grad()
    def propose(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        image_size: tuple[int, int],
        pre_nms: int,
        post_nms: int,
        min_size: float = 4.0,
    ) -> list[Tensor]:
        """Proposals of each image, ``[P, 4]``, best first; no gradient flows through their corners (section 3.2)."""
        return [
            self.filter_proposals(
                of_image, its_deltas, anchors, image_size, pre_nms, post_nms, self.nms_threshold, min_size
            )[0]
            for of_image, its_deltas in zip(objectness.detach(), deltas.detach(), strict=True)
        ]

    @property
    def operations(self) -> dict[str, Any]:
        """The operations at work, by name."""
        names = (
            "cell_anchors",
            "grid_anchors",
            "assign_anchors",
            "sample_rois",
            "rpn_loss",
            "filter_proposals",
        )
        return {"rpn_head": type(self.head), **{name: getattr(self, name) for name in names}}
