"""The recipes of the stored segmenters, the localiser and the sliding-window classifier (labs 1 to 3)."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from detseg.boxes import box_iou, sliding_windows
from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.models.backbone import backbone, normalise
from detseg.models.deconvnet import DeconvNet
from detseg.models.fcn import FCN
from detseg.models.localiser import Localiser
from detseg.models.patch_classifier import PatchClassifier
from detseg.models.sliding_window_classifier import SlidingWindowClassifier
from detseg.models.stored_weights import Card, save_weights
from detseg.training.detection import DetectionBatches
from detseg.training.detection import evaluate as evaluate_detector
from detseg.training.loop import Fitted, fit
from detseg.training.patches import PatchBatches
from detseg.training.segmentation import Scenes, SegmentationBatches, evaluate
from detseg.training.windows import LocalisationBatches, ObjectWindows, SingleObjectWindows

SEED = 0
WINDOWS = sliding_windows(128, 128, sizes=(20, 28, 40, 56, 80), ratios=(0.6, 1.0, 1.6), stride=8)
"""For scenes of 128 x 128: a coarse stand-in for the 100 000 of a photograph."""


def train_patch_classifier(
    scenes: Scenes, seed: int = SEED, **options: Any
) -> tuple[PatchClassifier, Fitted]:
    """Balanced patches, 74 a step; the prior is put in afterwards. ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = PatchClassifier(backbone()).to(memory_format=torch.channels_last)
    batches = PatchBatches(scenes)
    recipe = {"epochs": 14, "batch_size": 8, "learning_rate": 2e-3, "seed": seed}
    run = fit(model, batches, **{**recipe, **options})
    model.log_prior.copy_(batches.log_prior)
    return model, run


def train_fcn(scenes: Scenes, skips: int = 3, seed: int = SEED, **options: Any) -> tuple[FCN, Fitted]:
    """All layers at once, skips included; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = FCN(backbone(), skips=skips).to(memory_format=torch.channels_last)
    recipe = {"epochs": 14, "batch_size": 8, "learning_rate": 2e-3, "seed": seed}
    return model, fit(model, SegmentationBatches(scenes, background=0.6), **{**recipe, **options})


def train_deconvnet(scenes: Scenes, seed: int = SEED, **options: Any) -> tuple[DeconvNet, list[Fitted]]:
    """The paper's two stages: windows around single objects, then whole scenes. ``options`` go to both `fit`."""
    torch.manual_seed(seed)
    model = DeconvNet(backbone()).to(memory_format=torch.channels_last)
    windows = SegmentationBatches(ObjectWindows(scenes, seed=seed), background=0.5)
    whole = SegmentationBatches(scenes, background=0.5)
    first = {"epochs": 5, "batch_size": 16, "learning_rate": 2e-3, "seed": seed}
    second = {"epochs": 8, "batch_size": 8, "learning_rate": 2e-3, "seed": seed}
    runs = [fit(model, windows, **{**first, **options}), fit(model, whole, **{**second, **options})]
    return model, runs


def train_localiser(scenes: Scenes, seed: int = SEED, **options: Any) -> tuple[Localiser, Fitted]:
    """Windows of 64 x 64 with one object or none; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = Localiser(backbone()).to(memory_format=torch.channels_last)
    batches = LocalisationBatches(SingleObjectWindows(scenes, seed=seed))
    recipe = {"epochs": 6, "batch_size": 32, "learning_rate": 1e-3, "seed": seed}
    return model, fit(model, batches, **{**recipe, **options})


def train_sliding_window_classifier(
    scenes: Scenes, seed: int = SEED, **options: Any
) -> tuple[SlidingWindowClassifier, Fitted]:
    """Windows sampled from the same grid as at test time; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = SlidingWindowClassifier(backbone()).to(memory_format=torch.channels_last)
    recipe = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-3, "seed": seed}
    return model, fit(model, DetectionBatches(scenes, [WINDOWS] * len(scenes)), **{**recipe, **options})


@torch.no_grad()
def localisation_accuracy(model: Localiser, windows: SingleObjectWindows) -> tuple[float, float]:
    """The fraction of windows whose class is right; and of those with an object, that also have a box of IoU >= 0.5."""
    right, objects, found = 0, 0, 0
    for start in range(0, len(windows), 100):
        items = [windows[index] for index in range(start, min(start + 100, len(windows)))]
        boxes, _, predicted = model.predict(normalise(torch.stack([image for image, _ in items])))
        labels = torch.tensor([target["label"] for _, target in items])
        overlap = box_iou(boxes, torch.stack([target["box"] for _, target in items])).diagonal()  # [N]
        right += int((predicted == labels).sum())
        objects += int((labels > 0).sum())
        found += int(((predicted == labels) & (labels > 0) & (overlap >= 0.5)).sum())
    return right / len(windows), found / objects


def make_patch_classifier() -> list[Path]:
    """About three minutes on one core, and two more to measure it."""
    model, _ = train_patch_classifier(FarmScenes.train())
    recipe = (
        "AdamW, learning rate 2e-3, weight decay 0.02, 14 epochs of 100 steps, 74 balanced patches a step"
    )
    return [_save_segmenter(model, "patch_classifier_farm", recipe)]


def make_fcn() -> list[Path]:
    """Without and with skips; about three minutes each on one core."""
    paths = []
    for skips in (3, 0):
        model, _ = train_fcn(FarmScenes.train(), skips=skips)
        recipe = "AdamW, learning rate 2e-3, weight decay 0.02, batch 8, 14 epochs, background thinned to 0.6"
        paths.append(_save_segmenter(model, f"fcn_{2 ** (4 - skips)}s_farm", recipe))
    return paths


def make_deconvnet() -> list[Path]:
    """About six minutes on one core."""
    model, _ = train_deconvnet(FarmScenes.train())
    recipe = (
        "AdamW, learning rate 2e-3, weight decay 0.02, background thinned to 0.5; windows of 64 x 64: batch 16, "
        "5 epochs; scenes: batch 8, 8 epochs"
    )
    return [_save_segmenter(model, "deconvnet_farm", recipe)]


def make_localiser() -> list[Path]:
    """Half a minute on two cores."""
    model, _ = train_localiser(FarmScenes.train())
    accuracy, found = localisation_accuracy(model, SingleObjectWindows(FarmScenes.test(), tries=2))
    card = {
        "model": "Localiser",
        "task": "class and box of the one object in a window of 64 x 64",
        "recipe": "AdamW, learning rate 1e-3, weight decay 0.02, batch 32, 6 epochs, box weight 10",
        "accuracy": round(accuracy, 3),
        "localised": round(found, 3),
    }
    return [_save(model, "localiser_farm", card)]


def make_sliding_window_classifier() -> list[Path]:
    """A minute on two cores, and two more to measure it on half of the test scenes."""
    model, _ = train_sliding_window_classifier(FarmScenes.train())
    test = FarmScenes.test(75)
    mean_ap, per_class = evaluate_detector(model, test, [WINDOWS] * len(test))
    card = {
        "model": "SlidingWindowClassifier",
        "task": f"detection on 75 farm scenes of 128 x 128 with {len(WINDOWS)} windows",
        "recipe": "AdamW, learning rate 1e-3, weight decay 0.02, batch 8, 4 epochs, 24 windows an image",
        "mean_average_precision": round(mean_ap, 3),
        "average_precision": [round(value, 3) for value in per_class],
    }
    return [_save(model, "sliding_window_classifier_farm", card)]


STEPS = {
    "patch_classifier": make_patch_classifier,
    "fcn": make_fcn,
    "deconvnet": make_deconvnet,
    "localiser": make_localiser,
    "sliding_window_classifier": make_sliding_window_classifier,
}


def _save_segmenter(model: nn.Module, name: str, recipe: str) -> Path:
    """Measure a segmenter on the test scenes, and store it."""
    test = FarmScenes.test()
    mean, per_class = evaluate(model, test)  # type: ignore[arg-type]
    card = {
        "model": type(model).__name__,
        "task": f"segmentation of {len(test)} farm scenes of 128 x 128, after 800 others",
        "recipe": recipe,
        "mean_iou": round(mean, 3),
        "iou": [round(value, 3) for value in per_class],
    }
    return _save(model, name, card)


def _save(model: nn.Module, name: str, card: Card) -> Path:
    """Store a model, with what all cards say."""
    return save_weights(model, name, {**card, "seed": SEED, "data_version": DATA_VERSION})
