"""The recipes of the stored detectors: R-CNN, SPP-net (lab 4), Faster R-CNN (lab 6), Mask R-CNN (lab 7)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.models.backbone import backbone
from detseg.models.faster_rcnn import FasterRCNN
from detseg.models.mask_rcnn import MaskRCNN
from detseg.models.rcnn import RCNN
from detseg.models.region_classifier import RegionClassifier
from detseg.models.sppnet import SPPNet
from detseg.models.stored_weights import save_weights
from detseg.proposals.stored import stored_proposals
from detseg.training.detection import DetectionBatches, Scenes, evaluate, evaluate_masks, predict_scenes
from detseg.training.loop import Fitted, fit
from detseg.training.rcnn_stages import cache_features, fit_box_regressors, fit_svms

SEED = 0
STAGE_PROPOSALS = 100
"""Of each scene, for the SVMs and box regressors: true boxes are scarcer than background, so more scenes serve better
than more proposals of each."""


def train_rcnn(
    scenes: Scenes,
    proposals: list[Tensor],
    model: RegionClassifier | None = None,
    seed: int = SEED,
    **options: Any,
) -> tuple[RegionClassifier, Fitted]:
    """All stages of R-CNN, or of another model that is trained in the same way; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = (RCNN(backbone()) if model is None else model).to(memory_format=torch.channels_last)
    recipe = {"epochs": 6, "batch_size": 8, "learning_rate": 1e-3, "seed": seed}
    run = fit(model, DetectionBatches(scenes, proposals), **{**recipe, **options})
    with TemporaryDirectory() as folder:
        best = [boxes[:STAGE_PROPOSALS] for boxes in proposals]
        features = cache_features(model, scenes, best, Path(folder) / "regions.safetensors")
        fit_svms(model, features, seed=seed)
        fit_box_regressors(model, features)
    return model, run


def train_sppnet(
    scenes: Scenes, proposals: list[Tensor], seed: int = SEED, **options: Any
) -> tuple[RegionClassifier, Fitted]:
    """The stages of R-CNN on frozen convolutions."""
    torch.manual_seed(seed)
    return train_rcnn(scenes, proposals, SPPNet(backbone()), seed, **options)


def train_faster_rcnn(scenes: Scenes, seed: int = SEED, **options: Any) -> tuple[FasterRCNN, Fitted]:
    """The four losses jointly; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = FasterRCNN(backbone()).to(memory_format=torch.channels_last)
    recipe = {"epochs": 12, "batch_size": 8, "learning_rate": 1e-3, "seed": seed}
    return model, fit(model, DetectionBatches(scenes), **{**recipe, **options})


def train_mask_rcnn(scenes: Scenes, seed: int = SEED, **options: Any) -> tuple[MaskRCNN, Fitted]:
    """The five losses jointly; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = MaskRCNN(backbone()).to(memory_format=torch.channels_last)
    recipe = {"epochs": 11, "batch_size": 8, "learning_rate": 1e-3, "seed": seed}
    return model, fit(model, DetectionBatches(scenes, masks=True), **{**recipe, **options})


def make_rcnn() -> list[Path]:
    """About three and a half minutes on one core, and two more to measure it."""
    model, _ = train_rcnn(FarmScenes.train(), stored_proposals("train"))
    return [_save_staged(model, "rcnn_farm", "6 epochs, 8 regions an image")]


def make_sppnet() -> list[Path]:
    """About a minute and a half on two cores."""
    model, _ = train_sppnet(FarmScenes.train(), stored_proposals("train"))
    return [_save_staged(model, "sppnet_farm", "6 epochs, 32 regions an image, convolutions frozen")]


def make_faster_rcnn() -> list[Path]:
    """About three and a half minutes on one core."""
    model, _ = train_faster_rcnn(FarmScenes.train())
    mean_ap, per_class = evaluate(model, FarmScenes.test())
    recipe = (
        "AdamW, learning rate 1e-3, weight decay 0.02, batch 8, 12 epochs, 64 anchors and 32 RoIs an image"
    )
    return [_save(model, "faster_rcnn_farm", recipe, mean_ap, per_class)]


def make_mask_rcnn() -> list[Path]:
    """Nearly four minutes on one core."""
    model, _ = train_mask_rcnn(FarmScenes.train())
    test = FarmScenes.test()
    mean_ap, per_class = evaluate(model, test)
    mask_mean, mask_per_class = evaluate_masks(predict_scenes(model, test), test)
    recipe = (
        "AdamW, learning rate 1e-3, weight decay 0.02, batch 8, 11 epochs, 64 anchors and 32 RoIs an image"
    )
    masks = {
        "mask_mean_average_precision": round(mask_mean, 3),
        "mask_average_precision": [round(value, 3) for value in mask_per_class],
    }
    return [_save(model, "mask_rcnn_farm", recipe, mean_ap, per_class, **masks)]


STEPS: dict[str, Callable[[], list[Path]]] = {
    "rcnn": make_rcnn,
    "sppnet": make_sppnet,
    "faster_rcnn": make_faster_rcnn,
    "mask_rcnn": make_mask_rcnn,
}


def _save_staged(model: RegionClassifier, name: str, tuning: str) -> Path:
    """Measure a model of several stages on the test scenes, and store it."""
    test, proposals = FarmScenes.test(), stored_proposals("test")
    mean_ap, per_class = evaluate(model, test, proposals)
    softmax = SimpleNamespace(predict=partial(model.predict, classifier="softmax"))
    softmax_mean, _ = evaluate(softmax, test, proposals)
    recipe = (
        f"AdamW, learning rate 1e-3, weight decay 0.02, batch 8, {tuning}; "
        f"SVMs and ridge regressors on {STAGE_PROPOSALS} proposals an image"
    )
    more = {"softmax_mean_average_precision": round(softmax_mean, 3)}
    return _save(model, name, recipe, mean_ap, per_class, **more)


def _save(
    model: nn.Module, name: str, recipe: str, mean_ap: float, per_class: list[float], **more: Any
) -> Path:
    card = {
        "model": type(model).__name__,
        "task": "detection on 150 farm scenes of 128 x 128, after 800 others",
        "recipe": recipe,
        "seed": SEED,
        "data_version": DATA_VERSION,
        "mean_average_precision": round(mean_ap, 3),
        "average_precision": [round(value, 3) for value in per_class],
        **more,
    }
    return save_weights(model, name, card)
