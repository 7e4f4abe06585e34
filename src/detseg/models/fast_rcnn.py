"""Fast R-CNN (Girshick 2015): one pass of the convolutions, RoI pooling, one head that classifies and regresses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detseg.boxes import HEAD_WEIGHTS, box_iou, check_boxes, encode_boxes
from detseg.data.targets import check_target
from detseg.layers import roi_pool
from detseg.losses import fast_rcnn_loss
from detseg.models.backbone import MiniVGG
from detseg.models.detect import detect
from detseg.models.fingerprint import fingerprint
from detseg.models.inputs import check_images
from detseg.proposals import match_boxes, sample_rois
from detseg.tensors import check_tensors


class FastRCNN(nn.Module):
    """The detector of section 2 of the paper, on a small backbone.

    The four functions in the middle are arguments, so that a learner's own ones can do the work:
    ``FastRCNN(backbone(), roi_pool=my_roi_pool)``.
    """

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        pooled_size: int = 5,
        hidden: int = 256,
        rois_per_image: int = 32,
        positive_fraction: float = 0.25,
        roi_pool: Callable[..., Tensor] = roi_pool,
        sample_rois: Callable[..., Tensor] = sample_rois,
        fast_rcnn_loss: Callable[..., tuple[Tensor, Tensor]] = fast_rcnn_loss,
        detect: Callable[..., tuple[Tensor, Tensor, Tensor]] = detect,
    ) -> None:
        """Build the head, with the first weights of section 2.3.

        Args:
            backbone: features ``[N, 3, H, W]`` to ``[N, channels, H / stride, W / stride]``.
            num_classes: K, background included.
            pooled_size: cells on each side of a pooled RoI (the paper: 7, for 14x finer features).
            hidden: width of the two fully connected layers (the paper: 4096).
            rois_per_image: drawn for training from each image (the paper: 64).
            positive_fraction: of them, at most.
            roi_pool, sample_rois, fast_rcnn_loss, detect: see `detseg.layers`, `.proposals`, `.losses`,
                `.models`.
        """
        super().__init__()
        self.backbone = backbone
        self.num_classes = num_classes
        self.pooled_size = pooled_size
        self.rois_per_image = rois_per_image
        self.positive_fraction = positive_fraction
        self.roi_pool = roi_pool
        self.sample_rois = sample_rois
        self.fast_rcnn_loss = fast_rcnn_loss
        self.detect = detect

        self.head = nn.Sequential(
            nn.Linear(backbone.channels * pooled_size**2, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Linear(hidden, num_classes)
        self.regress = nn.Linear(hidden, 4 * num_classes)  # a box for each class
        for layer, spread in ((self.classify, 0.01), (self.regress, 0.001)):  # section 2.3
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Judge every RoI.

        Args:
            images: ``[N, 3, H, W]``, normalised (`detseg.models.backbone.normalise`).
            rois: ``[R, 5]``, (image index, x1, y1, x2, y2) in pixels.

        Returns:
            class logits ``[R, K]`` and box deltas ``[R, K, 4]`` (dx, dy, dw, dh for each class).
        """
        # Convolutions like channels last; whoever writes a roi_pool may rely on the usual order in memory.
        return self.judge(self.backbone(images).contiguous(), rois)

    def judge(self, features: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
        """The part of `forward` after the convolutions; features are ``[N, C, H / stride, W / stride]``."""
        pooled = self.roi_pool(features, rois, self.pooled_size, 1 / self.backbone.stride)  # [R, C, P, P]
        expected = (len(rois), features.shape[1], self.pooled_size, self.pooled_size)
        if pooled.shape != expected:
            raise ValueError(f"roi_pool must return {list(expected)}, it returned {list(pooled.shape)}")
        hidden = self.head(pooled.flatten(1))  # [R, hidden]
        return self.classify(hidden), self.regress(hidden).view(len(rois), self.num_classes, 4)

    def losses(
        self,
        images: Tensor,
        targets: list[dict[str, Tensor]],
        proposals: list[Tensor],
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The two parts of the multi-task loss (section 2.3) on RoIs sampled from each image.

        Args:
            images: ``[N, 3, H, W]``, normalised.
            targets: of each image, ``boxes [G, 4]`` and ``labels [G]``.
            proposals: of each image, ``[P, 4]``.
            generator: of the sampling.

        Returns:
            ``{"class": scalar, "box": scalar}``, to be added up.
        """
        check_batch(images, proposals, targets)
        sampled = [
            self.sample(target, boxes, generator) for target, boxes in zip(targets, proposals, strict=True)
        ]
        boxes, labels, target_deltas, _ = zip(*sampled, strict=True)
        class_logits, deltas = self(images, rois_of(boxes))
        class_loss, box_loss = self.fast_rcnn_loss(
            class_logits, deltas, torch.cat(labels), torch.cat(target_deltas)
        )
        return {"class": class_loss, "box": box_loss}

    def sample(
        self, target: dict[str, Tensor], proposals: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """RoIs of one image to learn from: boxes [R, 4], labels [R], target deltas [R, 4], matched [R]."""
        gt_boxes = target["boxes"]
        # The true boxes are candidates as well: each object has at least one good proposal to learn from.
        candidates = torch.cat([proposals, gt_boxes])  # [P + G, 4]
        # The paper takes background from IoU 0.1 on, to find hard examples; here 0, and no object-free image is lost.
        matched = match_boxes(box_iou(gt_boxes, candidates), high=0.5, low=0.5)
        kept = self.sample_rois(matched, self.rois_per_image, self.positive_fraction, generator)
        boxes, matched = candidates[kept], matched[kept]

        positive = matched >= 0
        labels = torch.zeros_like(matched)  # background
        labels[positive] = target["labels"][matched[positive]]
        target_deltas = torch.zeros_like(boxes)
        target_deltas[positive] = encode_boxes(gt_boxes[matched[positive]], boxes[positive], HEAD_WEIGHTS)
        return boxes, labels, target_deltas, matched

    @torch.no_grad()
    def predict(
        self,
        images: Tensor,
        proposals: list[Tensor],
        score_threshold: float = 0.01,
        nms_threshold: float = 0.4,
        limit: int = 50,
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Detections of each image: boxes ``[D, 4]``, scores ``[D]``, labels ``[D]``, best first.

        ``score_threshold`` is low, for average precision counts a late hit more than it minds what comes after.
        Switches the model to evaluation mode, and leaves it there.
        """
        check_batch(images, proposals)
        self.eval()
        class_logits, deltas = self(images, rois_of(proposals))
        counts = [len(boxes) for boxes in proposals]
        image_size = (images.shape[2], images.shape[3])
        return [
            self.detect(*of_image, image_size, score_threshold, nms_threshold, limit)
            for of_image in zip(class_logits.split(counts), deltas.split(counts), proposals, strict=True)
        ]

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: the sampling, and whose functions are at work."""
        functions = {name: getattr(self, name) for name in ("roi_pool", "sample_rois", "fast_rcnn_loss")}
        return {
            "rois_per_image": self.rois_per_image,
            "positive_fraction": self.positive_fraction,
            **{name: fingerprint(function) for name, function in functions.items()},
        }


def rois_of(boxes: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Boxes of each image ``[P_i, 4]`` as RoIs ``[sum P_i, 5]``: the image's index goes in front."""
    return torch.cat(
        [
            torch.cat([of_image.new_full((len(of_image), 1), index), of_image], dim=1)
            for index, of_image in enumerate(boxes)
        ]
    )


def check_batch(
    images: Tensor, proposals: list[Tensor] | None = None, targets: list[dict[str, Tensor]] | None = None
) -> None:
    """Say what is wrong with a batch before a layer stumbles over it; not every model takes proposals."""
    check_images(images, "detector")
    for name, per_image in (("proposals", proposals), ("targets", targets)):
        if per_image is not None and len(per_image) != len(images):
            raise ValueError(f"{len(images)} images, but {name} of {len(per_image)}; give one entry an image")
    for index, boxes in enumerate(proposals or []):
        check_boxes(boxes, name := f"proposals of image {index}")
        check_tensors(images=images, **{name: boxes})
    for index, target in enumerate(targets or []):
        check_target(target, (images.shape[2], images.shape[3]), f"target {index}")
        check_tensors(images=images, **{f"boxes of target {index}": target["boxes"]})
