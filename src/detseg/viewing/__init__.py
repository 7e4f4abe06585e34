"""Pictures with alternative text, and the sliders that redraw them. Needs matplotlib and ipywidgets."""

from .bins import show_cells, show_pyramid, show_roi_bins
from .boxes import show_coverage, show_scenes
from .curves import LiveCurve, show_losses, show_training
from .picture import Picture, new_figure, picture
from .pipelines import show_pipelines
from .tables import table
from .widgets import explore_losses, explore_roi_bins

__all__ = [
    "LiveCurve",
    "Picture",
    "explore_losses",
    "explore_roi_bins",
    "new_figure",
    "picture",
    "show_cells",
    "show_coverage",
    "show_losses",
    "show_pipelines",
    "show_pyramid",
    "show_roi_bins",
    "show_scenes",
    "show_training",
    "table",
]
