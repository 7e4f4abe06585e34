"""Sliders that redraw a picture. Where widgets do not run, the picture of the starting values is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from .bins import show_roi_bins
from .curves import show_losses
from .picture import Picture


class Explorer:
    """Controls over a picture: ``draw(**values)`` makes it; ``controls`` are named as its arguments."""

    def __init__(self, draw: Callable[..., Picture], controls: dict[str, Any]) -> None:
        """Draw once with the starting values and listen to the controls."""
        self.draw = draw
        self.controls = controls
        self.screen = ipywidgets.HTML()
        self.box = ipywidgets.VBox([*controls.values(), self.screen])
        for control in controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()

    def _redraw(self, change: Any = None) -> None:
        self.picture = self.draw(**{name: control.value for name, control in self.controls.items()})
        self.screen.value = self.picture.html()

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        # The picture rides along with the widget: a page that cannot run widgets shows the picture.
        data, metadata = self.picture._repr_mimebundle_()
        view = self.box._repr_mimebundle_()
        view = view[0] if isinstance(view, tuple) else view
        return {**view, **data}, metadata


def _slider(kind: Any, description: str, value: Any, low: Any, high: Any, step: Any) -> Any:
    return kind(
        value=value, min=low, max=high, step=step, description=description, continuous_update=False,
        style={"description_width": "9em"}, layout=ipywidgets.Layout(width="32em"),
    )  # fmt: skip


def explore_roi_bins(
    features: Tensor, roi: tuple[float, float, float, float] = (9, 14, 46, 33), spatial_scale: float = 1 / 8
) -> Explorer:
    """Move the corners of a RoI over a map ``[H, W]`` and choose the bins; see cells, bins and maxima."""
    height, width = features.shape
    far_x, far_y = width / spatial_scale, height / spatial_scale

    def draw(x: tuple[float, float], y: tuple[float, float], rows: int, columns: int) -> Picture:
        return show_roi_bins(features, (x[0], y[0], x[1], y[1]), (rows, columns), spatial_scale)

    reach = 2 / spatial_scale  # two cells beyond the map, to meet empty bins
    controls = {
        "x": _slider(
            ipywidgets.FloatRangeSlider, "x1 and x2 (pixels)", (roi[0], roi[2]), -reach, far_x + reach, 1
        ),
        "y": _slider(
            ipywidgets.FloatRangeSlider, "y1 and y2 (pixels)", (roi[1], roi[3]), -reach, far_y + reach, 1
        ),
        "rows": _slider(ipywidgets.IntSlider, "rows of bins", 2, 1, 6, 1),
        "columns": _slider(ipywidgets.IntSlider, "columns of bins", 3, 1, 6, 1),
    }
    return Explorer(draw, controls)


def explore_losses() -> Explorer:
    """Move the error d and beta; compare the value and the slope of L2 and smooth L1."""
    controls = {
        "difference": _slider(ipywidgets.FloatSlider, "d = pred - target", 3.0, -5.0, 5.0, 0.1),
        "beta": _slider(ipywidgets.FloatSlider, "beta", 1.0, 0.1, 4.0, 0.1),
    }
    return Explorer(show_losses, controls)


def example_map() -> Tensor:
    """The 5 x 7 map of the lab's pictures: small whole numbers, none symmetric."""
    return torch.tensor(
        [
            [3, 1, 4, 1, 5, 9, 2],
            [6, 5, 3, 5, 8, 9, 7],
            [9, 3, 2, 3, 8, 4, 6],
            [2, 6, 4, 3, 3, 8, 3],
            [2, 7, 9, 5, 0, 2, 8],
        ],
        dtype=torch.float32,
    )
