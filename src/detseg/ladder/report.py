"""The ladder as a Markdown table, with the papers' figures beside ours, and as a figure."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    """Accuracy against seconds an image (log scale); one marker a model.

    An arrow leads from 300 to 2,000 proposals; a line joins the worst seed and the best.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    looks = {"none": (BLUE, "s"), "selective search": (ORANGE, "o"), "network": (GREEN, "D")}
    labels = {
        "none": "segmentation (mIoU)",
        "selective search": "detection, selective search (mAP)",
        "network": "detection, own proposals (mAP)",
    }
    found = {rung.title: [item for item in measurements if item.name == rung.name] for rung in RUNGS}
    points = {title: _point(of_rung) for title, of_rung in found.items() if of_rung}
    picture, axes = plt.subplots(figsize=(8.5, 4.8), layout="constrained")
    ends: dict[str, tuple[float, float, float]] = {}  # seconds, worst and best accuracy
    for rung in RUNGS:
        if rung.title not in points:
            continue
        colour, marker = looks[rung.proposals]
        seconds, accuracy = points[rung.title]
        of_rung = found[rung.title]
        *_, most = of_rung[0].macs
        slowest = statistics.fmean(item.seconds(most) for item in of_rung)
        if slowest > seconds:
            arrow = {"arrowstyle": "->", "color": GREY, "lw": 1}
            axes.annotate("", (slowest, accuracy), (seconds, accuracy), arrowprops=arrow)
            axes.plot(slowest, accuracy, alpha=0)  # the axis must reach the arrow's head
        low, high = (bound(item.accuracy for item in of_rung) for bound in (min, max))
        if len(of_rung) > 1:
            axes.plot([seconds, seconds], [low, high], color=colour, lw=2)
        axes.plot(seconds, accuracy, marker, color=colour, ms=8, label=labels.pop(rung.proposals, None))
        ends[rung.title] = (seconds, low, high)
    axes.set(
        xscale="log",
        xlabel="seconds an image (arrow: from 300 to 2,000 proposals; line: worst to best seed)",
        ylabel="accuracy",
    )
    axes.margins(0.12, 0.15)
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower left", frameon=False)
    axes.set_title("The same scenes, the same machine, the same run", loc="left")
    picture.draw_without_rendering()  # from here on everything has its place
    _write_names(axes, ends)
    picture.savefig(path, dpi=120)
    plt.close(picture)


def _point(found: list[Measurement]) -> tuple[float, float]:
    """Seconds an image with the fewest proposals, and accuracy: means over the seeds."""
    fewest = next(iter(found[0].macs))
    return (
        statistics.fmean(item.seconds(fewest) for item in found),
        statistics.fmean(item.accuracy for item in found),
    )


def _write_names(axes: Any, ends: dict[str, tuple[float, float, float]]) -> None:
    """Each name beside its point, on the first side where it covers neither a point nor another name; top first."""
    from matplotlib.transforms import Bbox

    taken = []
    for seconds, low, high in ends.values():
        (left, bottom), (right, top) = axes.transData.transform([(seconds, low), (seconds, high)])
        taken.append(Bbox([[left - 8, bottom - 8], [right + 8, top + 8]]))
    for title, (seconds, low, high) in sorted(ends.items(), key=lambda item: -item[1][2]):
        sides = (
            ((seconds, high), {"xytext": (0, 9), "ha": "center", "va": "bottom"}),
            ((seconds, low), {"xytext": (0, -9), "ha": "center", "va": "top"}),
            ((seconds, (low + high) / 2), {"xytext": (-9, 0), "ha": "right", "va": "center"}),
        )
        for number, (end, place) in enumerate(sides, 1):
            name = axes.annotate(title, end, textcoords="offset points", **place)
            box = name.get_window_extent()
            if number == len(sides) or not any(map(box.overlaps, taken)):
                taken.append(box)
                break
            name.remove()
