"""The rungs of the ladder, from patches to Mask R-CNN: how each is trained or loaded, and what its paper reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from detseg.models.backbone import backbone
from detseg.models.deconvnet import DeconvNet
from detseg.models.fast_rcnn import FastRCNN
from detseg.models.faster_rcnn import FasterRCNN
from detseg.models.fcn import FCN
from detseg.models.mask_rcnn import MaskRCNN
from detseg.models.patch_classifier import PatchClassifier
from detseg.models.rcnn import RCNN
from detseg.models.sppnet import SPPNet
from detseg.models.stored_weights import load_weights
from detseg.training.stored_detectors import train_faster_rcnn, train_mask_rcnn, train_rcnn, train_sppnet
from detseg.training.stored_files import train_fast_rcnn
from detseg.training.stored_segmentation import train_deconvnet, train_fcn, train_patch_classifier

Proposals = Literal["none", "selective search", "network"]


@dataclass(frozen=True)
class Rung:
    """One model of the ladder.

    ``train(scenes, proposals, seed)`` returns the trained model first; ``proposals`` says where its regions come
    from. ``published`` is what the paper reports, on its own data and machine.
    """

    name: str
    title: str
    paper: str
    published: str
    task: Literal["segmentation", "detection"]
    proposals: Proposals
    build: Callable[[], nn.Module]
    train: Callable[[Any, list[Tensor], int], tuple[nn.Module, Any]]
    weights: str

    def load(self) -> nn.Module:
        """The model with its stored weights."""
        model = self.build()
        load_weights(model, self.weights)
        return model


def _bare(model: Callable[..., nn.Module], **options: Any) -> Callable[[], nn.Module]:
    return lambda: model(backbone(pretrained=False), **options)


RUNGS = (
    Rung(
        "patches", "Patch classifier", "Farabet 2013", "a network run for every patch of the image",
        "segmentation", "none", _bare(PatchClassifier),
        lambda scenes, proposals, seed: train_patch_classifier(scenes, seed=seed), "patch_classifier_farm",
    ),
    Rung(
        "fcn", "FCN with skips", "Long 2015", "0.175 s an image; mIoU 62.2 % (VOC 2012)",
        "segmentation", "none", _bare(FCN, skips=3),
        lambda scenes, proposals, seed: train_fcn(scenes, skips=3, seed=seed), "fcn_2s_farm",
    ),
    Rung(
        "deconvnet", "DeconvNet", "Noh 2015", "mIoU 69.6 % (VOC 2012)",
        "segmentation", "none", _bare(DeconvNet),
        lambda scenes, proposals, seed: train_deconvnet(scenes, seed=seed), "deconvnet_farm",
    ),
    Rung(
        "rcnn", "R-CNN", "Girshick 2014", "train 84 h, test 47 s; mAP 66.0 % (VOC 2007, VGG16)",
        "detection", "selective search", _bare(RCNN),
        lambda scenes, proposals, seed: train_rcnn(scenes, proposals, seed=seed), "rcnn_farm",
    ),
    Rung(
        "sppnet", "SPP-net", "He 2014", "train 25 h, test 2.3 s; mAP 63.1 % (VOC 2007, VGG16)",
        "detection", "selective search", _bare(SPPNet),
        lambda scenes, proposals, seed: train_sppnet(scenes, proposals, seed=seed), "sppnet_farm",
    ),
    Rung(
        "fast_rcnn", "Fast R-CNN", "Girshick 2015",
        "train 9.5 h, test 0.32 s and 2 s for proposals; mAP 66.9 % (VOC 2007, VGG16)",
        "detection", "selective search", _bare(FastRCNN),
        lambda scenes, proposals, seed: train_fast_rcnn(scenes, proposals, seed=seed), "fast_rcnn_farm",
    ),
    Rung(
        "faster_rcnn", "Faster R-CNN", "Ren 2015",
        "test 0.2 s, proposals included; mAP 69.9 % (VOC 2007, VGG16)",
        "detection", "network", _bare(FasterRCNN),
        lambda scenes, proposals, seed: train_faster_rcnn(scenes, seed=seed), "faster_rcnn_farm",
    ),
    Rung(
        "mask_rcnn", "Mask R-CNN", "He 2017", "test 0.2 s; mask AP 35.7 %, box AP 38.2 % (COCO, ResNet-101-FPN)",
        "detection", "network", _bare(MaskRCNN),
        lambda scenes, proposals, seed: train_mask_rcnn(scenes, seed=seed), "mask_rcnn_farm",
    ),
)  # fmt: skip
