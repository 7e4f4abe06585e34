"""Sliders that redraw a picture. Where widgets do not run, the picture of the starting values is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import display
from torch import Tensor

from .bins import show_roi_bins
from .curves import show_losses
from .picture import Picture


class Explorer:
    """Controls over a picture: ``draw(**values)`` makes it; ``controls`` are named as its arguments.

    Shown in a notebook it gives two outputs: the controls with their picture, and the starting picture as a plain one.
    Wherever the controls run they hide the plain one; on a page that cannot run them, it is what is seen.
    """

    def __init__(self, draw: Callable[..., Picture], controls: dict[str, Any]) -> None:
        """Draw once with the starting values and listen to the controls."""
        self.draw = draw
        self.controls = controls
        self.screen = ipywidgets.HTML()
        self.box = ipywidgets.VBox([*controls.values(), self.screen])
        self.still_id = f"still-{self.box.model_id}"
        for control in controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()
        self.still = self.picture

    def _redraw(self, change: Any = None) -> None:
        self.picture = self.draw(**{name: control.value for name, control in self.controls.items()})
        self.screen.value = f"<style>#{self.still_id} {{display: none}}</style>{self.picture.html()}"

    def _ipython_display_(self) -> None:
        data, metadata = self.still._repr_mimebundle_()
        data["text/html"] = f'<div id="{self.still_id}">{data["text/html"]}</div>'
        display(self.box)
        display(data, metadata=metadata, raw=True)


def _slider(kind: Any, description: str, value: Any, low: Any, high: Any, step: Any) -> Any:
    return kind(
        value=value, min=low, max=high, step=step, description=description, continuous_update=False,
        style={"description_width": "9em"}, layout=ipywidgets.Layout(width="32em"),
    )  # fmt: skip


def explore_roi_bins(
    features: Tensor, roi: tuple[int, int, int, int] = (25, -10, 60, 30), spatial_scale: float = 1 / 8
) -> Explorer:
    """Move the corners of a RoI over a map ``[H, W]`` and choose the bins; see cells, bins and maxima."""
    if features.dim() != 2:
        raise ValueError(f"features must be one map [H, W], got {list(features.shape)}")
    height, width = features.shape
    far_x, far_y = round(width / spatial_scale), round(height / spatial_scale)

    def draw(x: tuple[int, int], y: tuple[int, int], rows: int, columns: int) -> Picture:
        return show_roi_bins(features, (x[0], y[0], x[1], y[1]), (rows, columns), spatial_scale, margin)

    margin = 2  # cells beyond the map, to meet bins that are cut or empty
    reach = round(margin / spatial_scale)
    controls = {
        "x": _slider(
            ipywidgets.IntRangeSlider, "x1 and x2 (pixels)", (roi[0], roi[2]), -reach, far_x + reach, 1
        ),
        "y": _slider(
            ipywidgets.IntRangeSlider, "y1 and y2 (pixels)", (roi[1], roi[3]), -reach, far_y + reach, 1
        ),
        "rows": _slider(ipywidgets.IntSlider, "rows of bins", 2, 1, 6, 1),
        "columns": _slider(ipywidgets.IntSlider, "columns of bins", 3, 1, 6, 1),
    }
    return Explorer(draw, controls)


def explore_losses(difference: float = -1.5, beta: float = 2.0) -> Explorer:
    """Move the error d and beta; compare the value and the slope of L2 and smooth L1."""
    controls = {
        "difference": _slider(ipywidgets.FloatSlider, "d = pred - target", difference, -5.0, 5.0, 0.1),
        "beta": _slider(ipywidgets.FloatSlider, "beta", beta, 0.1, 4.0, 0.1),
    }
    return Explorer(show_losses, controls)
