"""R-CNN, SPP-net and Fast R-CNN as rows of blocks: what runs once an image, and what once a proposal."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from .picture import BLUE, GREEN, GREY, ORANGE, Picture, new_figure, picture

Block = tuple[str, bool]  # its name, and whether it runs for each proposal

PIPELINES: dict[str, tuple[tuple[Block, ...], str]] = {
    "R-CNN": (
        (
            ("crop and warp\nthe image", True),
            ("convolutions", True),
            ("fully\nconnected", True),
            ("SVMs", True),
            ("box regressors", True),
        ),
        "trained in three stages: network, SVMs, box regressors",
    ),
    "SPP-net": (
        (
            ("convolutions", False),
            ("pyramid\npooling", True),
            ("fully\nconnected", True),
            ("SVMs", True),
            ("box regressors", True),
        ),
        "three stages; the convolutions stay as they are",
    ),
    "Fast R-CNN": (
        (
            ("convolutions", False),
            ("RoI\npooling", True),
            ("fully\nconnected", True),
            ("softmax", True),
            ("box regression", True),
        ),
        "one stage: everything at once",
    ),
}
WIDTH, HEIGHT, GAP = 1.35, 0.62, 0.3
STEP = WIDTH + GAP


def show_pipelines(proposals: int = 2000) -> Picture:
    """The three detectors side by side, with how often each part runs for one image."""
    figure = new_figure(8.6, 4.1)
    axes = figure.subplots()
    axes.set(xlim=(-1.3, 3 * STEP + WIDTH + 0.6), ylim=(-3.35, 0.55), aspect="equal")
    axes.set_axis_off()
    words = []
    for row, (name, (blocks, training)) in enumerate(PIPELINES.items()):
        y = -1.25 * row
        axes.text(-1.2, y, name, va="center", fontsize=11, weight="bold")
        *chain, upper, lower = blocks
        for column, (block, repeated) in enumerate(chain):
            _draw_block(axes, column * STEP, y, HEIGHT, block, proposals if repeated else 1)
            _draw_arrow(axes, ((column + 1) * STEP - GAP, y), ((column + 1) * STEP, y))
        for (block, repeated), at in ((upper, y + 0.27), (lower, y - 0.27)):
            _draw_block(axes, len(chain) * STEP, at, 0.4, block, proposals if repeated else 1)
        axes.text(0, y - 0.52, training, va="center", fontsize=9, color=GREY, style="italic")
        parts = ", ".join(
            f"{block} {f'{proposals:,} times' if repeated else 'once'}" for block, repeated in blocks
        )
        words.append(f"{name}: {parts}; {training}")
    return picture(figure, f"What runs for one image of {proposals:,} proposals. {'. '.join(words)}.")


def _draw_block(axes: Axes, x: float, y: float, height: float, name: str, times: int) -> None:
    colour = GREEN if times == 1 else ORANGE
    corner = (x, y - height / 2)
    axes.add_patch(Rectangle(corner, WIDTH, height, facecolor=colour, alpha=0.18, linewidth=0))
    axes.add_patch(Rectangle(corner, WIDTH, height, fill=False, edgecolor=colour, linewidth=1.6))
    axes.text(x + WIDTH / 2, y, name, ha="center", va="center", fontsize=9.5)
    if height == HEIGHT:
        axes.text(
            x + WIDTH, y + height / 2 + 0.02, f"x {times:,}", ha="right", va="bottom", fontsize=9, color=BLUE
        )
    else:  # half a block has room beside it
        axes.text(x + WIDTH + 0.05, y, f"x {times:,}", va="center", fontsize=9, color=BLUE)


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": GREY})
