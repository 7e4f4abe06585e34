"""The recipes of everything that comes with the course ready made: proposals, backbone, Fast R-CNN."""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detseg.data.farm import DATA_VERSION, FarmCrops, FarmScenes
from detseg.models.backbone import backbone
from detseg.models.fast_rcnn import FastRCNN
from detseg.models.stored_weights import save_weights
from detseg.proposals.stored import FOLDER, search_scenes, stored_proposals, write_proposals
from detseg.training.detection import DetectionBatches, Scenes, evaluate
from detseg.training.loop import Fitted, fit
from detseg.training.pretrain import accuracy, pretrain
from detseg.training.stored_detectors import STEPS as DETECTOR_STEPS
from detseg.training.stored_segmentation import STEPS as SEGMENTATION_STEPS

SEED = 0
FAST_RCNN_EPOCHS = 16
HELD_OUT = 1_000_000  # first seed of the crops that accuracy is measured on


def make_proposals() -> list[Path]:
    """Selective search on the training and test scenes; about two minutes on two cores."""
    paths = []
    for split, scenes in (("train", FarmScenes.train()), ("test", FarmScenes.test())):
        path = FOLDER / f"farm_{split}.npz"
        write_proposals(path, search_scenes((scenes[index][0] for index in range(len(scenes))), len(scenes)))
        paths.append(path)
    return paths


def make_backbone() -> list[Path]:
    """Pre-train MiniVGG on crops; about a minute on two cores."""
    count, epochs = 3500, 5
    model, _ = pretrain(FarmCrops(count), epochs=epochs, seed=SEED)
    card = {
        "model": "MiniVGG",
        "task": f"classification of {count} farm crops of 64 x 64",
        "recipe": f"AdamW, learning rate 3e-3, weight decay 0.02, batch 64, {epochs} epochs, label smoothing 0.05",
        "seed": SEED,
        "data_version": DATA_VERSION,
        "accuracy": round(accuracy(model, FarmCrops(500, first_seed=HELD_OUT)), 3),
    }
    return [save_weights(model.backbone, "mini_vgg_farm", card)]


def train_fast_rcnn(
    scenes: Scenes, proposals: list[Tensor], seed: int = SEED, **options: Any
) -> tuple[FastRCNN, Fitted]:
    """Fast R-CNN as lab 5 trains it, but for longer; ``options`` go to `fit`."""
    torch.manual_seed(seed)
    model = FastRCNN(backbone())
    recipe = {"epochs": FAST_RCNN_EPOCHS, "seed": seed}
    return model, fit(model, DetectionBatches(scenes, proposals), **{**recipe, **options})


def make_fast_rcnn() -> list[Path]:
    """Train Fast R-CNN and measure it on the test scenes; about three and a half minutes on one core."""
    train, test = FarmScenes.train(), FarmScenes.test()
    model, _ = train_fast_rcnn(train, stored_proposals("train"))
    mean_ap, per_class = evaluate(model, test, stored_proposals("test"))
    card = {
        "model": "FastRCNN",
        "task": f"detection on {len(train)} farm scenes of 128 x 128, 300 stored proposals each",
        "recipe": f"AdamW, learning rate 1e-3, weight decay 0.02, batch 8, {FAST_RCNN_EPOCHS} epochs, 32 RoIs an image",
        "seed": SEED,
        "data_version": DATA_VERSION,
        "mean_average_precision": round(mean_ap, 3),
        "average_precision": [round(value, 3) for value in per_class],
    }
    return [save_weights(model, "fast_rcnn_farm", card)]


# In this order: each needs those before it.
STEPS = {
    "proposals": make_proposals,
    "backbone": make_backbone,
    "fast_rcnn": make_fast_rcnn,
    **SEGMENTATION_STEPS,
    **DETECTOR_STEPS,
}


def main() -> None:
    """Make the stored files named on the command line, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m detseg.training.checkpoint", description=main.__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(STEPS)}; all if none is given"
    )
    names = parser.parse_args().names or list(STEPS)
    if unknown := [name for name in names if name not in STEPS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    for name in STEPS:
        if name in names:
            print(f"== {name}")
            started = time.monotonic()
            for path in STEPS[name]():
                print(f"{path} ({path.stat().st_size / 1e6:.2f} MB), {time.monotonic() - started:.0f} s")
