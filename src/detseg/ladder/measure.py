"""Measure one rung in a process of its own: ``python -m detseg.ladder.measure NAME ...`` writes one JSON file."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from detseg.boxes import sliding_windows
from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.ladder.rungs import RUNGS, Rung
from detseg.ladder.stopwatch import Stopwatch
from detseg.models.backbone import normalise
from detseg.proposals.selective_search import selective_search
from detseg.proposals.stored import stored_proposals
from detseg.training import detection, segmentation

COUNTS = (300, 2000)
"""Proposals an image: what Faster R-CNN needs, and what R-CNN took."""


@dataclass(frozen=True)
class Measurement:
    """What was measured of one rung. Seconds are of one image; a count of 0 means that there are no proposals."""

    name: str
    seed: int
    scenes: int
    trained_here: bool
    training_seconds: float | None
    training_cpu_seconds: float | None  # of all threads: what a busy machine changes less
    accuracy: float
    mask_accuracy: float | None
    macs: dict[str, int]
    proposals_seconds: dict[str, float]
    shared_seconds: dict[str, float]
    region_seconds: dict[str, float]
    peak_mb: int
    data_version: int = DATA_VERSION
    torch: str = torch.__version__

    def seconds(self, count: str) -> float:
        """All parts together."""
        return self.proposals_seconds[count] + self.shared_seconds[count] + self.region_seconds[count]


def measure(rung: Rung, seed: int, scenes: int, timed: int, train: bool) -> Measurement:
    """Train or load a rung's model, test it on ``scenes``, and time it on the first ``timed`` of them."""
    training_seconds = training_cpu_seconds = None
    if train:
        examples, proposals = FarmScenes.train(), stored_proposals("train")
        started, cpu_started = time.perf_counter(), time.process_time()
        model, _ = rung.train(examples, proposals, seed)
        training_seconds = time.perf_counter() - started
        training_cpu_seconds = time.process_time() - cpu_started
    else:
        model = rung.load()
    model.eval()
    test = FarmScenes.test(scenes)
    accuracy, mask_accuracy = _accuracy(rung, model, test)
    counts = [0] if rung.proposals == "none" else list(COUNTS)
    macs, parts = {}, {}
    for count in counts:
        images = [test[index][0] for index in range(timed if count <= COUNTS[0] else max(2, timed // 4))]
        macs[str(count)] = _multiply_adds(rung, model, images[0], count)
        parts[str(count)] = _seconds(rung, model, images, count)
    return Measurement(
        name=rung.name,
        seed=seed,
        scenes=scenes,
        trained_here=train,
        training_seconds=training_seconds,
        training_cpu_seconds=training_cpu_seconds,
        accuracy=accuracy,
        mask_accuracy=mask_accuracy,
        macs=macs,
        proposals_seconds={count: part["proposals"] for count, part in parts.items()},
        shared_seconds={count: part["shared"] for count, part in parts.items()},
        region_seconds={count: part["region"] for count, part in parts.items()},
        peak_mb=_peak_mb(),
    )


def _accuracy(rung: Rung, model: Any, test: FarmScenes) -> tuple[float, float | None]:
    """Mean IoU, or mean average precision at IoU 0.5; for Mask R-CNN that of its masks as well."""
    if rung.task == "segmentation":
        return segmentation.evaluate(model, test)[0], None
    if rung.proposals == "selective search":
        return detection.evaluate(model, test, stored_proposals("test", len(test)))[0], None
    masks = None
    if rung.name == "mask_rcnn":
        masks = detection.evaluate_masks(detection.predict_scenes(model, test), test)[0]
    return detection.evaluate(model, test)[0], masks


def _predict(rung: Rung, model: Any, image: Tensor, proposals: Tensor, count: int) -> None:
    """One image through the model, with that many proposals."""
    images = normalise(image[None])
    if rung.proposals == "selective search":
        model.predict(images, [proposals])
    else:
        if rung.proposals == "network":
            model.test_proposals = (2 * count, count)
        model.predict(images)


def _seconds(rung: Rung, model: Any, images: list[Tensor], count: int) -> dict[str, float]:
    """Seconds of an image in each part: proposals, shared features, and work for each region (or patch)."""
    watch = Stopwatch(_clock())
    whole = "shared" if rung.name in ("fcn", "deconvnet") else "region"
    model = _watched(rung, model, watch)
    for image in images:
        with watch.part("proposals"):
            found = selective_search(image) if rung.proposals == "selective search" else torch.zeros(0, 4)
        boxes = _exactly(found, count, image)
        with watch.part(whole):
            _predict(rung, model, image, boxes, count)
    return {part: watch.seconds[part] / len(images) for part in ("proposals", "shared", "region")}


def _clock() -> Callable[[], float]:
    """The process's own seconds where one thread does all the work: a busy machine changes them less."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    return time.process_time if alone else time.perf_counter


def _watched(rung: Rung, model: Any, watch: Stopwatch) -> Any:
    """The model with a clock on what its regions share and on its own proposals."""
    if rung.name in ("sppnet", "fast_rcnn"):
        watch.watch(model.backbone, "shared")
    if rung.proposals == "network":
        watch.watch(model.fast_rcnn.backbone, "shared")
        watch.watch_method(model, "propose", "proposals")
    return model


def _exactly(boxes: Tensor, count: int, image: Tensor) -> Tensor:
    """The first ``count`` proposals; where there are fewer, windows from all over the image fill up."""
    if len(boxes) >= count:
        return boxes[:count]
    height, width = image.shape[1:]
    windows = sliding_windows(height, width, (16, 24, 36, 54, 80), (0.5, 1.0, 2.0), 4)
    return torch.cat([boxes, windows[torch.linspace(0, len(windows) - 1, count - len(boxes)).long()]])


def _multiply_adds(rung: Rung, model: nn.Module, image: Tensor, count: int) -> int:
    """Of the convolutions and matrix products for one image, proposals by selective search not included."""
    boxes = _exactly(torch.zeros(0, 4), count, image)
    with FlopCounterMode(display=False) as counter:
        _predict(rung, model, image, boxes, count)
    return counter.get_total_flops() // 2


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def main() -> None:
    """Measure the rung named on the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=[rung.name for rung in RUNGS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--timed", type=int, default=8)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rung = next(rung for rung in RUNGS if rung.name == options.name)
    found = measure(rung, options.seed, options.scenes, options.timed, options.train)
    unfinished = options.out.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(asdict(found), indent=1))
    unfinished.replace(options.out)


if __name__ == "__main__":
    main()
