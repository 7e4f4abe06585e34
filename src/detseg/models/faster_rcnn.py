"""Faster R-CNN (Ren et al. 2015): Fast R-CNN whose proposals come from a network on the same features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from detseg.losses import joint_loss, rpn_loss
from detseg.models.backbone import MiniVGG
from detseg.models.fast_rcnn import FastRCNN, check_batch, fingerprint, rois_of
from detseg.proposals.anchors import assign_anchors, cell_anchors, grid_anchors
from detseg.proposals.region_proposal_network import RegionProposalNetwork, RPNHead, filter_proposals
from detseg.proposals.sampling import sample_rois


@dataclass
class SampledRois:
    """The RoIs of a batch that a training step looks at."""

    rois: Tensor  # [R, 5]
    labels: Tensor  # [R], 0 is background
    matched: list[Tensor]  # of each image, the index of the true box of each RoI, -1 for background


class FasterRCNN(nn.Module):
    """The two modules of section 3, the region proposal network and Fast R-CNN, on one pass of the convolutions.

    Both are trained at once ("approximate joint training", section 3.2): the proposals count as constants.
    """

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        train_proposals: tuple[int, int] = (400, 100),
        test_proposals: tuple[int, int] = (600, 300),
        loss_weights: tuple[float, float, float, float] = (1.0, 10.0, 1.0, 1.0),
        rpn_head: Callable[[int, int], nn.Module] = RPNHead,
        cell_anchors: Callable[..., Tensor] = cell_anchors,
        grid_anchors: Callable[..., Tensor] = grid_anchors,
        assign_anchors: Callable[..., tuple[Tensor, Tensor]] = assign_anchors,
        rpn_loss: Callable[..., tuple[Tensor, Tensor]] = rpn_loss,
        filter_proposals: Callable[..., tuple[Tensor, Tensor]] = filter_proposals,
        joint_loss: Callable[..., tuple[Tensor, dict[str, Tensor]]] = joint_loss,
        sample_rois: Callable[..., Tensor] = sample_rois,
        **fast_rcnn: Any,
    ) -> None:
        """Build both modules.

        Args:
            backbone: features ``[N, 3, H, W]`` to ``[N, channels, H / stride, W / stride]``.
            num_classes: K, background included.
            train_proposals, test_proposals: how many anchors of an image are decoded, and how many boxes NMS
                leaves of them (the paper: 12000, 2000 and 6000, 300).
            loss_weights: of `joint_loss`; 10 is the lambda of equation 1.
            rpn_head, cell_anchors, grid_anchors, assign_anchors, rpn_loss, filter_proposals: see
                `detseg.proposals.region_proposal_network`.
            joint_loss: see `detseg.losses`.
            sample_rois: of the anchors and of the RoIs.
            fast_rcnn: what else `FastRCNN` takes: ``roi_pool``, ``fast_rcnn_loss``, ``detect``, sizes.
        """
        super().__init__()
        self.train_proposals = train_proposals
        self.test_proposals = test_proposals
        self.loss_weights = loss_weights
        self.joint_loss = joint_loss
        self.fast_rcnn = FastRCNN(backbone, num_classes, sample_rois=sample_rois, **fast_rcnn)
        self.rpn = RegionProposalNetwork(
            backbone.channels,
            backbone.stride,
            rpn_head=rpn_head,
            cell_anchors=cell_anchors,
            grid_anchors=grid_anchors,
            assign_anchors=assign_anchors,
            sample_rois=sample_rois,
            rpn_loss=rpn_loss,
            filter_proposals=filter_proposals,
        )

    def features(self, images: Tensor) -> Tensor:
        """The features ``[N, C, H / stride, W / stride]`` that everything else shares."""
        return self.fast_rcnn.backbone(images).contiguous()

    def propose(self, features: Tensor, image_size: tuple[int, int]) -> list[Tensor]:
        """Proposals of each image as they are used for testing, ``[P, 4]``, best first."""
        objectness, deltas, anchors = self.rpn(features)
        return self.rpn.propose(objectness, deltas, anchors, image_size, *self.test_proposals)

    def losses(
        self, images: Tensor, targets: list[dict[str, Tensor]], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The four losses, trained jointly.

        Args:
            images: ``[N, 3, H, W]``, normalised.
            targets: of each image, ``boxes [G, 4]`` and ``labels [G]``.
            generator: of both samplings.

        Returns:
            the four parts, cut off from the graph, which are for looking at; and "total", which carries the gradient.
        """
        check_batch(images, targets=targets)
        return self.joint_losses(self.features(images), targets, _size(images), generator)[0]

    def joint_losses(
        self,
        features: Tensor,
        targets: list[dict[str, Tensor]],
        image_size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[dict[str, Tensor], SampledRois]:
        """What `losses` returns, and the RoIs that the head was trained on."""
        objectness, deltas, anchors = self.rpn(features)
        rpn_objectness, rpn_box = self.rpn.losses(objectness, deltas, anchors, targets, generator)
        proposals = self.rpn.propose(objectness, deltas, anchors, image_size, *self.train_proposals)
        sampled = [
            self.fast_rcnn.sample(target, boxes, generator)
            for target, boxes in zip(targets, proposals, strict=True)
        ]
        boxes, labels, target_deltas, matched = zip(*sampled, strict=True)
        rois = SampledRois(rois_of(boxes), torch.cat(labels), list(matched))
        class_logits, class_deltas = self.fast_rcnn.judge(features, rois.rois)
        head_class, head_box = self.fast_rcnn.fast_rcnn_loss(
            class_logits, class_deltas, rois.labels, torch.cat(target_deltas)
        )
        total, parts = self.joint_loss(rpn_objectness, rpn_box, head_class, head_box, self.loss_weights)
        return {**{name: part.detach() for name, part in parts.items()}, "total": total}, rois

    @torch.no_grad()
    def predict(
        self,
        images: Tensor,
        score_threshold: float = 0.01,
        nms_threshold: float = 0.4,
        limit: int = 50,
    ) -> list[tuple[Tensor, ...]]:
        """Detections of each image: boxes ``[D, 4]``, scores ``[D]``, labels ``[D]``, best first.

        ``score_threshold`` is low for the sake of average precision (see `FastRCNN.predict`).
        Switches the model to evaluation mode, and leaves it there.
        """
        check_batch(images)
        self.eval()
        return self.detect(self.features(images), _size(images), score_threshold, nms_threshold, limit)

    def detect(
        self,
        features: Tensor,
        image_size: tuple[int, int],
        score_threshold: float,
        nms_threshold: float,
        limit: int,
    ) -> list[tuple[Tensor, ...]]:
        """The part of `predict` after the convolutions."""
        proposals = self.propose(features, image_size)
        class_logits, deltas = self.fast_rcnn.judge(features, rois_of(proposals))
        counts = [len(boxes) for boxes in proposals]
        return [
            self.fast_rcnn.detect(*of_image, image_size, score_threshold, nms_threshold, limit)
            for of_image in zip(class_logits.split(counts), deltas.split(counts), proposals, strict=True)
        ]

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: the settings, and whose functions are at work."""
        functions = {**self.rpn.operations, "joint_loss": self.joint_loss}
        return {
            **self.fast_rcnn.recipe,
            "train_proposals": self.train_proposals,
            "loss_weights": self.loss_weights,
            **{name: fingerprint(function) for name, function in functions.items()},
        }


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]
