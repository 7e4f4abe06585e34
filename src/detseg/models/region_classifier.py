"""What R-CNN and SPP-net share: a vector for each region, then layers, linear SVMs and box regressors on it.

Both are trained in stages (R-CNN, Girshick 2014, section 2.3 and appendices B, C): `losses` fine-tunes the layers
with a softmax on top; `detseg.training.rcnn_stages` then fits what is kept here as buffers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detseg.boxes import box_iou, clip_boxes, decode_boxes, nms
from detseg.models.backbone import MiniVGG
from detseg.models.fast_rcnn import check_batch, fingerprint
from detseg.proposals import match_boxes, sample_rois

BOX_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
"""The regressors are linear and fitted exactly: scaling their targets would change nothing."""


class RegionClassifier(nn.Module, ABC):
    """From pooled features of regions to detections."""

    svm_weight: Tensor  # [K - 1, hidden]
    svm_bias: Tensor  # [K - 1]
    feature_scale: Tensor  # [], so that the features have a mean norm of 20 (the SVMs' c depends on it)
    box_weight: Tensor  # [K - 1, D, 4]
    box_bias: Tensor  # [K - 1, 4]

    def __init__(
        self,
        backbone: MiniVGG,
        pooled_features: int,
        num_classes: int,
        hidden: int,
        rois_per_image: int,
        positive_fraction: float,
        sample_rois: Callable[..., Tensor] = sample_rois,
        nms: Callable[..., Tensor] = nms,
    ) -> None:
        """Build the layers, and SVMs and regressors that know nothing yet.

        Args:
            backbone: features ``[N, 3, H, W]`` to ``[N, channels, H / stride, W / stride]``.
            pooled_features: D, numbers that `pool` makes of a region.
            num_classes: K, background included.
            hidden: width of the two fully connected layers (the papers: 4096).
            rois_per_image: drawn for fine-tuning from each image.
            positive_fraction: of them, at most.
            sample_rois, nms: see `detseg.proposals` and `detseg.boxes`.
        """
        super().__init__()
        self.backbone = backbone
        self.num_classes = num_classes
        self.rois_per_image = rois_per_image
        self.positive_fraction = positive_fraction
        self.sample_rois = sample_rois
        self.nms = nms
        self.layers = nn.Sequential(
            nn.Linear(pooled_features, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Linear(hidden, num_classes)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.zeros_(self.classify.bias)
        self.register_buffer("svm_weight", torch.zeros(num_classes - 1, hidden))
        self.register_buffer("svm_bias", torch.zeros(num_classes - 1))
        self.register_buffer("feature_scale", torch.ones(()))
        self.register_buffer("box_weight", torch.zeros(num_classes - 1, pooled_features, 4))
        self.register_buffer("box_bias", torch.zeros(num_classes - 1, 4))

    @abstractmethod
    def pool(self, images: Tensor, proposals: list[Tensor]) -> Tensor:
        """Turn the regions of each image ``[P_i, 4]`` into ``[sum P_i, D]``, what is left of the convolutions."""

    def forward(self, images: Tensor, proposals: list[Tensor]) -> Tensor:
        """Softmax logits ``[sum P_i, K]``, background included, of the regions of each image."""
        logits: Tensor = self.classify(self.layers(self.pool(images, proposals)))
        return logits

    def losses(
        self,
        images: Tensor,
        targets: list[dict[str, Tensor]],
        proposals: list[Tensor],
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Stage 1, fine-tuning: cross-entropy of sampled regions; positive from IoU 0.5 on, background below.

        Args:
            images: ``[N, 3, H, W]``, normalised.
            targets: of each image, ``boxes [G, 4]`` and ``labels [G]``.
            proposals: of each image, ``[P, 4]``.
            generator: of the sampling.
        """
        check_batch(images, proposals, targets)
        regions, labels = [], []
        for target, boxes in zip(targets, proposals, strict=True):
            candidates = torch.cat([boxes, target["boxes"]])  # [P + G, 4]
            matched = match_boxes(box_iou(target["boxes"], candidates), high=0.5, low=0.5)
            kept = self.sample_rois(matched, self.rois_per_image, self.positive_fraction, generator)
            matched = matched[kept]
            of_kept = torch.zeros_like(matched)  # background
            of_kept[matched >= 0] = target["labels"][matched[matched >= 0]]
            regions.append(candidates[kept])
            labels.append(of_kept)
        return {"class": F.cross_entropy(self(images, regions), torch.cat(labels))}

    def svm_scores(self, hidden: Tensor) -> Tensor:
        """Margins ``[R, K - 1]`` of the classes from 1, for the layers' output ``[R, hidden]``."""
        return hidden * self.feature_scale @ self.svm_weight.T + self.svm_bias

    @torch.no_grad()
    def predict(
        self,
        images: Tensor,
        proposals: list[Tensor],
        classifier: Literal["svm", "softmax"] = "svm",
        regress: bool = True,
        score_threshold: float | None = None,
        nms_threshold: float = 0.4,
        limit: int = 300,
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Detections of each image: boxes ``[D, 4]``, scores ``[D]``, labels ``[D]``, best first.

        Args:
            images: ``[N, 3, H, W]``, normalised.
            proposals: of each image, ``[P, 4]``.
            classifier: "svm" scores are margins, 1 for a sure detection; "softmax" scores are probabilities.
            regress: whether the ridge regressors move the boxes.
            score_threshold: a detection must score more; None for -2 (well outside the margin) or 0.01. Both are low,
                for average precision counts a late hit more than it minds what comes after.
            nms_threshold: between detections of one class.
            limit: the most detections to return for an image.

        Switches the model to evaluation mode, and leaves it there.
        """
        check_batch(images, proposals)
        self.eval()
        if score_threshold is None:
            score_threshold = -2.0 if classifier == "svm" else 0.01
        image_size = (images.shape[2], images.shape[3])
        found = []
        for image, regions in zip(images, proposals, strict=True):
            pooled = self.pool(image[None], [regions])  # [R, D]
            hidden = self.layers(pooled)  # [R, hidden]
            softmax = self.classify(hidden).softmax(1)[:, 1:]  # [R, K - 1]
            scores = self.svm_scores(hidden) if classifier == "svm" else softmax  # [R, K - 1]
            boxes = regions[:, None].expand(-1, self.num_classes - 1, -1)  # [R, K - 1, 4]
            if regress:
                deltas = torch.einsum("rd,kdc->rkc", pooled, self.box_weight) + self.box_bias  # [R, K - 1, 4]
                boxes = clip_boxes(decode_boxes(deltas, regions, BOX_WEIGHTS), image_size)
            found.append(self._best(scores, boxes, score_threshold, nms_threshold, limit))
        return found

    def _best(
        self, scores: Tensor, boxes: Tensor, score_threshold: float, nms_threshold: float, limit: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """NMS class by class on scores ``[R, K - 1]`` and boxes ``[R, K - 1, 4]``; the best of all classes."""
        kept_rows, kept_classes = [], []
        for column in range(self.num_classes - 1):
            rows = torch.where(scores[:, column] > score_threshold)[0]
            rows = rows[self.nms(boxes[rows, column], scores[rows, column], nms_threshold)]
            kept_rows.append(rows)
            kept_classes.append(torch.full_like(rows, column))
        kept, classes = torch.cat(kept_rows), torch.cat(kept_classes)  # 2 x [of all classes]
        best = scores[kept, classes].argsort(descending=True, stable=True)[:limit]
        kept, classes = kept[best], classes[best]  # 2 x [D]
        return boxes[kept, classes], scores[kept, classes], classes + 1

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: the sampling, and whose functions are at work."""
        return {
            "rois_per_image": self.rois_per_image,
            "positive_fraction": self.positive_fraction,
            "sample_rois": fingerprint(self.sample_rois),
        }
