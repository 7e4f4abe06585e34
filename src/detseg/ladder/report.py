"""The ladder as a Markdown table, with the papers' figures beside ours, and as a figure."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from detseg.ladder.measure import Measurement
from detseg.ladder.rungs import RUNGS, Rung

ORANGE, BLUE, GREEN, GREY = "#D55E00", "#0072B2", "#009E73", "#666666"


def table(measurements: Sequence[Measurement]) -> str:
    """Markdown: a row for each rung and number of proposals.

    Means over the seeds, of accuracy and training with their standard deviation; the highest peak of memory.
    """
    lines = [
        "| model | proposals | multiply-adds | training, s | CPU, s | proposals, s | shared, s | per region, s "
        "| image, s | peak, MB | accuracy | the paper |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rung in RUNGS:
        found = [measurement for measurement in measurements if measurement.name == rung.name]
        for count in found[0].macs if found else ():
            lines.append(_row(rung, found, count))
    return "\n".join(lines)


def _row(rung: Rung, found: list[Measurement], count: str) -> str:
    mean = statistics.fmean
    first = count == next(iter(found[0].macs))
    trained = [item.training_seconds for item in found if item.training_seconds is not None]
    busy = [item.training_cpu_seconds for item in found if item.training_cpu_seconds is not None]
    cells = [
        rung.title if first else "",
        "" if count == "0" else f"{int(count):,}",
        f"{found[0].macs[count] / 1e6:,.0f} M",
        (_spread(trained, 0) if trained else "stored") if first else "",
        _spread(busy, 0) if first and busy else "",
        *(
            f"{mean(getattr(item, part)[count] for item in found):.4f}"
            for part in ("proposals_seconds", "shared_seconds", "region_seconds")
        ),
        f"{mean(item.seconds(count) for item in found):.3f}",
        f"{max(item.peak_mb for item in found):,}" if first else "",
        _accuracy(rung, found) if first else "",
        f"{rung.paper}: {rung.published}" if first else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _accuracy(rung: Rung, found: list[Measurement]) -> str:
    metric = "mIoU" if rung.task == "segmentation" else "mAP"
    text = f"{metric} {_spread([item.accuracy for item in found])}"
    masks = [item.mask_accuracy for item in found if item.mask_accuracy is not None]
    return text + (f", masks {_spread(masks)}" if masks else "")


def _spread(values: list[float], digits: int = 3) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def conditions(measurements: Sequence[Measurement], threads: int) -> str:
    """One line: machine, versions, seeds, scenes."""
    first = measurements[0]
    seeds = sorted({item.seed for item in measurements})
    origin = "trained here" if first.trained_here else "stored checkpoints"
    return (
        f"{platform.system()} {platform.machine()}, {threads} thread(s), torch {first.torch}, "
        f"{first.scenes} test scenes of 128 x 128, data version {first.data_version}, "
        f"seed(s) {', '.join(map(str, seeds))}, {origin}."
    )


def figure(measurements: Sequence[Measurement], path: Path) -> None:
    """Accuracy against seconds an image (log scale); one marker a model, an arrow from 300 to 2,000 proposals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    looks = {"none": (BLUE, "s"), "selective search": (ORANGE, "o"), "network": (GREEN, "D")}
    labels = {
        "none": "segmentation (mIoU)",
        "selective search": "detection, selective search (mAP)",
        "network": "detection, own proposals (mAP)",
    }
    picture, axes = plt.subplots(figsize=(8.5, 4.8), layout="constrained")
    for rung in RUNGS:
        found = [measurement for measurement in measurements if measurement.name == rung.name]
        if not found:
            continue
        colour, marker = looks[rung.proposals]
        accuracy = statistics.fmean(item.accuracy for item in found)
        seconds = [statistics.fmean(item.seconds(count) for item in found) for count in found[0].macs]
        if len(seconds) > 1:
            arrow = {"arrowstyle": "->", "color": GREY, "lw": 1}
            axes.annotate("", (seconds[1], accuracy), (seconds[0], accuracy), arrowprops=arrow)
            axes.plot(seconds[1], accuracy, alpha=0)  # the axis must reach the arrow's head
        axes.plot(seconds[0], accuracy, marker, color=colour, ms=9, label=labels.pop(rung.proposals, None))
        axes.annotate(
            rung.title, (seconds[0], accuracy), xytext=(0, 9), textcoords="offset points", ha="center"
        )
    axes.set(xscale="log", xlabel="seconds an image (arrow: from 300 to 2,000 proposals)", ylabel="accuracy")
    axes.margins(0.12, 0.15)
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower left", frameon=False)
    axes.set_title("The same scenes, the same machine, the same run", loc="left")
    picture.savefig(path, dpi=120)
    plt.close(picture)
