"""Curves: the two regression losses, and a training run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from IPython.display import display
from matplotlib.axes import Axes

from detseg.losses import smooth_l1

from .picture import BLUE, GREEN, GREY, ORANGE, RED, Picture, new_figure, picture


def show_losses(beta: float = 1.0, difference: float = 3.0) -> Picture:
    """L2 (half the square) and smooth L1 over d = pred - target, their slopes, and the values at one d."""
    if beta <= 0:
        raise ValueError(f"beta must be above 0 to draw smooth L1; got {beta}")
    if not -5 <= difference <= 5:
        raise ValueError(f"difference must lie on the drawn axis, -5 to 5; got {difference}")
    d = torch.linspace(-5, 5, 1001)  # in steps of 0.01
    l2, l2_slope = d**2 / 2, d
    smooth, smooth_slope = _smooth(d, beta), (d / beta).clamp(-1, 1)
    here = int((d - difference).abs().argmin())
    outwards = 1 if difference > 0 else -1

    figure = new_figure(8.4, 3.3)
    left, right = figure.subplots(1, 2)
    for axes, l2_curve, smooth_curve in ((left, l2, smooth), (right, l2_slope, smooth_slope)):
        axes.plot(d.numpy(), l2_curve.numpy(), "--", color=ORANGE, linewidth=2, label="L2: d² / 2")
        axes.plot(
            d.numpy(), smooth_curve.numpy(), color=BLUE, linewidth=2, label=f"smooth L1, beta = {beta:g}"
        )
    # each number stands where its curve is not
    _mark(left, difference, l2[here].item(), "#8A5F00", above=True, side=-outwards)
    _mark(left, difference, smooth[here].item(), BLUE, above=False, side=outwards)
    _mark(right, difference, l2_slope[here].item(), "#8A5F00", above=difference > 0, side=-outwards)
    _mark(right, difference, smooth_slope[here].item(), BLUE, above=difference <= 0, side=outwards)
    for axes, title in ((left, "loss"), (right, "slope = the gradient this coordinate sends back")):
        axes.axvline(difference, color=GREY, linewidth=0.8)
        axes.set_xlabel("d = pred - target")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
    left.set_ylim(-0.5, 13.5)
    right.set_ylim(-5.5, 5.9)
    left.legend(loc="upper center", fontsize=9)
    return picture(
        figure,
        f"Two plots over d from -5 to 5. At d = {difference:g} the L2 loss is {l2[here]:.2f} with slope "
        f"{l2_slope[here]:+.2f}; smooth L1 with beta {beta:g} is {smooth[here]:.2f} with slope "
        f"{smooth_slope[here]:+.2f}. "
        f"The slope of L2 grows without end, that of smooth L1 stays between -1 and 1.",
    )


def show_training(history: Mapping[str, Sequence[float]], smooth: int = 20) -> Picture:
    """The losses of a training run over its steps, as means over the last ``smooth`` steps."""
    if smooth < 1:
        raise ValueError(f"smooth must be at least 1 step, got {smooth}")
    figure = new_figure(7.0, 2.9)
    axes = figure.subplots()
    ends = []
    for (name, values), colour, style in zip(
        history.items(), (BLUE, RED, GREEN, ORANGE) * 4, ("-", "--", "-.", ":") * 4, strict=False
    ):
        means = _running_mean(torch.tensor(list(values)), smooth)
        axes.plot(range(1, len(means) + 1), means.numpy(), style, color=colour, label=name)
        if len(means):
            ends.append(f"the {name} loss goes from {means[0]:.2f} to {means[-1]:.2f}")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if ends:
        axes.legend()
    return picture(
        figure,
        f"Training curves, each point the mean of the last {smooth}: {'; '.join(ends) or 'no step yet'}.",
    )


def _running_mean(values: torch.Tensor, width: int) -> torch.Tensor:
    """The mean of the last ``width`` values at each place, of fewer at the beginning."""
    sums = torch.cat([values.new_zeros(1), values]).cumsum(0)  # [steps + 1]
    end = torch.arange(1, len(values) + 1)
    start = (end - width).clamp(min=0)
    return (sums[end] - sums[start]) / (end - start)


def _smooth(d: torch.Tensor, beta: float) -> torch.Tensor:
    return smooth_l1(d, torch.zeros_like(d), beta)


def _mark(axes: Axes, x: float, y: float, colour: str, above: bool, side: int) -> None:
    """A dot with its value, above or below it, to the left (-1) or right (1)."""
    axes.plot(x, y, "o", color=colour)
    axes.annotate(
        f"{y:.2f}",
        (x, y),
        (7 * side, 6 if above else -13),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        color=colour,
    )


class LiveCurve:
    """A training curve that redraws itself in a notebook; give it to `detseg.training.loop.fit` as ``on_step``."""

    def __init__(self, every: float = 3.0) -> None:
        """Redraw at most once in ``every`` seconds: a drawing costs as much as a training step."""
        self.history: dict[str, list[float]] = {}
        self._every = every
        self._drawn = time.monotonic()
        self._display: Any = None

    def __call__(self, step: int, losses: Mapping[str, float]) -> None:
        """Note the losses of a step, and redraw when it is time."""
        for name, value in losses.items():
            self.history.setdefault(name, []).append(value)
        if time.monotonic() - self._drawn >= self._every:
            self.draw()

    def draw(self) -> None:
        """Redraw now."""
        curve = show_training(self.history)
        if self._display is None:
            self._display = display(curve, display_id=True)
        else:
            self._display.update(curve)
        self._drawn = time.monotonic()
