"""Our operations against torchvision's and torch's kernels: ``make bench``, or ``python -m detseg.benchmark``.

Both run in turn in one process, so that a busy machine slows both, and what counts is the ratio ours / theirs: below
1, ours is faster. Every operation is timed forward without gradients, and forward and backward together. Our pooled
regions lie in memory channels last, so a linear layer, which flattens them, pays for a copy that torchvision's do
not need: the rows "flattened" contain it. Results go to ``build/bench.json``, as ``{operation: {scale: {"forward":
ratio, "both": ratio}}}`` for one thread, with ``"conditions"`` beside the operations; two threads and a GPU, where
there is one, get a file each beside it, the threads with the scales "lab" and "vgg" alone.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision.ops
from torch import Tensor
from torch.nn import functional as F

from detseg.boxes import box_iou, nms
from detseg.layers import conv_transpose2d, max_pool_with_switches, max_unpool, roi_align, roi_pool
from detseg.losses import pixel_cross_entropy, smooth_l1


@dataclass
class Case:
    """One operation at one scale: two functions of the same inputs."""

    operation: str
    scale: str
    ours: Callable[..., Tensor]
    theirs: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    differentiable: int = 1  # how many of the inputs, from the first, want a gradient


def region_cases(generator: torch.Generator, device: torch.device) -> Iterator[Case]:
    """RoI pooling and RoIAlign, 7 x 7 bins: the lab's map and VGG16's of a 600 x 800 image."""
    scales = {
        "lab": (128, 16, 16, 300, 8),
        "vgg": (512, 38, 50, 300, 16),
        "vgg, 2000 RoIs": (512, 38, 50, 2000, 16),
    }
    for scale, (channels, height, width, count, stride) in scales.items():
        features = torch.randn(1, channels, height, width, generator=generator).relu()
        size = torch.tensor([width, height]) * float(stride)
        ends = (torch.rand(2, count, 2, generator=generator) * size).sort(0).values  # [2, R, 2]
        rois = torch.cat([torch.zeros(count, 1), ends[0], ends[1]], dim=1)

        inputs = features.to(device), rois.to(device)
        for flat in (False, True) if count == 300 else (False,):
            name = f"{scale}, flattened" if flat else scale
            ours, theirs = (_pooled(pool, stride, flat) for pool in (roi_pool, torchvision.ops.roi_pool))
            yield Case("roi_pool", name, ours, theirs, inputs)
            pools = roi_align, torchvision.ops.roi_align
            ours, theirs = (_pooled(pool, stride, flat, sampling_ratio=2, aligned=True) for pool in pools)
            yield Case("roi_align", name, ours, theirs, inputs)


def _pooled(
    pool: Callable[..., Tensor], stride: int, flat: bool, **settings: object
) -> Callable[..., Tensor]:
    def run(features: Tensor, rois: Tensor) -> Tensor:
        pooled = pool(features, rois, 7, 1 / stride, **settings)
        return pooled.flatten(1) if flat else pooled

    return run


def box_cases(generator: torch.Generator, device: torch.device) -> Iterator[Case]:
    """IoU tables and suppression, of boxes all over the image and of boxes crowded around 40 places."""

    def some_boxes(count: int, clustered: bool = False) -> Tensor:
        places = torch.rand(40 if clustered else count, 2, generator=generator) * torch.tensor([800.0, 600.0])
        centre = places[torch.arange(count) % len(places)] + 12 * torch.randn(count, 2, generator=generator)
        half = 8 + 32 * torch.rand(count, 2, generator=generator)
        return torch.cat([centre - half, centre + half], dim=1).to(device)

    for scale, count in (("lab", 300), ("vgg", 3000)):
        yield Case(
            "box_iou", scale, box_iou, torchvision.ops.box_iou, (some_boxes(count), some_boxes(count)), 2
        )
    for scale, count, clustered in (
        ("lab", 2000, False),
        ("vgg", 6000, False),
        ("12000 boxes", 12000, False),
        ("2000 crowded", 2000, True),
        ("6000 crowded", 6000, True),
        ("12000 crowded", 12000, True),
    ):
        scores = torch.rand(count, generator=generator).to(device)
        yield Case(
            "nms",
            scale,
            lambda boxes, scores: nms(boxes, scores, 0.7),
            lambda boxes, scores: torchvision.ops.nms(boxes, scores, 0.7),
            (some_boxes(count, clustered), scores),
            differentiable=0,
        )


def pixel_cases(generator: torch.Generator, device: torch.device) -> Iterator[Case]:
    """Segmentation and losses: a batch of 8 of the lab's images, and one VGG-sized image."""

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    for scale, batch, channels, classes, height, width in (
        ("lab", 8, 32, 6, 64, 64),
        ("vgg", 1, 64, 21, 300, 400),
    ):
        pooled, switches = max_pool_with_switches(random(batch, channels, height, width), 2)
        yield Case(
            "max_unpool",
            scale,
            lambda pooled, switches, size=(height, width): max_unpool(pooled, switches, size),
            lambda pooled, switches, size=(height, width): F.max_unpool2d(
                pooled, switches, (2, 2), output_size=size
            ),
            (pooled, switches),
        )
        yield Case(
            "conv_transpose2d",
            scale,
            lambda x, weight: conv_transpose2d(x, weight, 2, 1),
            lambda x, weight: F.conv_transpose2d(x, weight, None, 2, 1),
            (random(batch, channels, height // 4, width // 4), random(channels, channels, 4, 4)),
            differentiable=2,
        )
        target = torch.randint(0, classes, (batch, height, width), generator=generator)
        target = target.masked_fill(torch.rand(target.shape, generator=generator) < 0.05, 255).to(device)
        yield Case(
            "pixel_cross_entropy",
            scale,
            pixel_cross_entropy,
            lambda logits, target: F.cross_entropy(logits, target, ignore_index=255),
            (random(batch, classes, height, width), target),
        )
        count = 4 * 2000 if scale == "lab" else 4 * 50_000
        yield Case(
            "smooth_l1",
            scale,
            lambda pred, target: smooth_l1(pred, target, 1 / 9),
            lambda pred, target: F.smooth_l1_loss(pred, target, reduction="none", beta=1 / 9),
            (random(count), random(count)),
        )


def measure(case: Case, repeats: int, seconds: float) -> dict[str, float | None]:
    """The ratios of one case, each the median over pairs of runs, ours and theirs in turn.

    There are ``repeats`` pairs, or as many as ``seconds`` allow, but at least 3.
    """
    leaves = [x.detach().clone().requires_grad_() for x in case.inputs[: case.differentiable]]
    inputs = (*leaves, *case.inputs[case.differentiable :])
    gradient = torch.randn_like(case.theirs(*case.inputs).float())

    def forward(operation: Callable[..., Tensor]) -> None:
        operation(*case.inputs)

    def both(operation: Callable[..., Tensor]) -> None:
        torch.autograd.grad(operation(*inputs), leaves, gradient)

    ratios: dict[str, float | None] = {"forward": _ratio(case, forward, repeats, seconds), "both": None}
    if leaves:
        ratios["both"] = _ratio(case, both, repeats, seconds)
    return ratios


def _ratio(case: Case, run: Callable[[Callable[..., Tensor]], None], repeats: int, seconds: float) -> float:
    on_gpu, one_thread = case.inputs[0].is_cuda, torch.get_num_threads() == 1
    # The time of this process alone says more than the clock where others use the machine too.
    clock = time.process_time if one_thread and not on_gpu else time.perf_counter

    def timed(operation: Callable[..., Tensor], times: int) -> float:
        if on_gpu:
            torch.cuda.synchronize()
        start = clock()
        for _ in range(times):
            run(operation)
        if on_gpu:
            torch.cuda.synchronize()
        return clock() - start

    run(case.ours)  # what is prepared once, and the caches, are warm for both
    once = timed(case.theirs, 1)
    times = max(1, min(50, int(0.02 / max(once, 1e-6))))  # a sample lasts about 20 ms
    ratios: list[float] = []
    end = time.perf_counter() + seconds
    while len(ratios) < 3 or (len(ratios) < repeats and time.perf_counter() < end):
        ratios.append(timed(case.ours, times) / timed(case.theirs, times))
    return statistics.median(ratios)


def benchmark(
    device: torch.device, repeats: int, seconds: float, only: str = "", scales: tuple[str, ...] = ()
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Measure every case, or those of some ``scales``, and print the table as it grows."""
    generator = torch.Generator().manual_seed(0)
    results: dict[str, dict[str, dict[str, float | None]]] = {}
    print(f"{'operation':20} {'scale':25} {'forward':>8} {'both':>8}   (ours / theirs)")
    for cases in (region_cases, box_cases, pixel_cases):
        for case in cases(generator, device):
            if only not in case.operation or (scales and case.scale not in scales):
                continue
            ratios = measure(case, repeats, seconds)
            results.setdefault(case.operation, {})[case.scale] = ratios
            forward, both = (f"{r:8.2f}" if r is not None else f"{'-':>8}" for r in ratios.values())
            print(f"{case.operation:20} {case.scale:25} {forward} {both}", flush=True)
    return results


def conditions(device: str, threads: int) -> dict[str, str | int]:
    """What the ratios were measured on."""
    return {
        "machine": torch.cuda.get_device_name()
        if device == "cuda"
        else f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "device": device,
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def main() -> None:
    """Measure with one thread, two threads, and on a GPU where there is one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="pairs of runs in a ratio")
    parser.add_argument(
        "--seconds", type=float, default=0.3, help="for the pairs of a ratio; at least 3 are run"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads, one run each")
    parser.add_argument("--only", default="", help="measure the operations whose name contains this")
    parser.add_argument("--output", type=Path, default=Path("build"), help="folder of the JSON files")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    runs = [("bench.json" if n == 1 else f"bench_{n}_threads.json", "cpu", n) for n in options.threads]
    if torch.cuda.is_available():
        runs.append(("bench_gpu.json", "cuda", torch.get_num_threads()))
    for name, device, threads in runs:
        print(f"\n{device}, {threads} thread{'s' if threads > 1 else ''}, torch {torch.__version__}")
        torch.set_num_threads(threads)
        scales = ("lab", "vgg") if device == "cpu" and threads > 1 else ()
        results = benchmark(torch.device(device), options.repeats, options.seconds, options.only, scales)
        report = {**results, "conditions": conditions(device, threads)}
        (options.output / name).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
