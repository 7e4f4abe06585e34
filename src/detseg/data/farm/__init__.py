"""Generated farm scenes: pictures of cows, sheep, dogs, horses and people with exact boxes and masks.

Drawing needs numpy and Pillow only; torch is imported with the first use of `FarmScenes` or `FarmCrops`, so that the
processes which draw in parallel start fast.
"""

from typing import TYPE_CHECKING, Any

from detseg.data.farm.classes import CLASSES, DATA_VERSION, STUFF, VOID
from detseg.data.farm.crop import farm_crop
from detseg.data.farm.scene import Scene, farm_scene

if TYPE_CHECKING:
    from detseg.data.farm.dataset import FarmCrops, FarmScenes

__all__ = [
    "CLASSES",
    "DATA_VERSION",
    "STUFF",
    "VOID",
    "FarmCrops",
    "FarmScenes",
    "Scene",
    "farm_crop",
    "farm_scene",
]


def __getattr__(name: str) -> Any:
    if name in ("FarmScenes", "FarmCrops"):
        from detseg.data.farm import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
