"""The farm pictures as torch data sets."""

import os
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.utils.data import Dataset

from detseg.data.farm.cache import cache_folder
from detseg.data.farm.classes import CLASSES
from detseg.data.farm.generate import load_or_draw
from detseg.data.farm.records import Record
from detseg.data.farm.scene import Scene
from detseg.data.targets import check_target

TEST_SEED = 50_000
"""First seed of the test scenes; the training scenes count from 0."""

Cache = str | os.PathLike[str] | Literal[False] | None


class FarmScenes(Dataset[tuple[Tensor, dict[str, Any]]]):
    """Farm scenes with exact boxes and masks, one for each seed from `first_seed` on.

    An item is `(image, target)`: image uint8 [3, H, W]; target a dict of
    boxes float32 [N, 4] (x1, y1, x2, y2; tight around the visible pixels), labels int64 [N] (index into CLASSES),
    class_mask uint8 [H, W] (255 = ignore), instance_masks bool [N, H, W] (visible pixels),
    stuff uint8 [H, W] (index into STUFF of what lies behind the objects) and seed int.
    N may be 0. Items are fresh tensors: changing one changes nothing else.
    """

    def __init__(
        self,
        count: int,
        first_seed: int = 0,
        size: int = 128,
        cache: Cache = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> None:
        """Load the scenes, drawing those that are not in the cache.

        Args:
            count: number of scenes, at least 1.
            first_seed: seed of scene 0; a scene depends on its seed and size alone.
            size: pixels across, at least 32.
            cache: folder to keep the drawn scenes in; None takes DETSEG_CACHE or the user's cache folder, False none.
            workers: processes to draw with; 0 draws in this one, None takes one a core.
            progress: show a bar while drawing.

        Raises:
            ValueError: an argument out of range, or a target that fails `check_target`.
        """
        self.first_seed = first_seed
        self._batch = _load("scene", count, first_seed, size, cache, workers, progress)
        for index in range(count):
            scene = self.scene(index)
            check_target(_target(scene), (size, size), f"scene {scene.seed}", len(CLASSES))

    @classmethod
    def train(cls, count: int = 800, **options: Any) -> Self:
        """The training scenes, seeds from 0; options as in the constructor."""
        if count > TEST_SEED:
            raise ValueError(f"there are {TEST_SEED} training scenes at most, not {count}")
        return cls(count, first_seed=0, **options)

    @classmethod
    def test(cls, count: int = 150, **options: Any) -> Self:
        """The test scenes, seeds from 50 000; options as in the constructor."""
        return cls(count, first_seed=TEST_SEED, **options)

    def scene(self, index: int) -> Scene:
        """One scene as numpy arrays."""
        index = range(len(self))[index]  # negative indices; IndexError past the end
        labels = self._batch["labels"][index]  # [MAX_OBJECTS], padded with 0
        return Scene(
            seed=self.first_seed + index,
            image=self._batch["image"][index],
            instances=self._batch["instances"][index],
            labels=labels[labels > 0],
            stuff=self._batch["stuff"][index],
        )

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._batch["image"])

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """The picture and its target; IndexError past the end."""
        scene = self.scene(index)
        return _channels_first(scene.image), _target(scene)


class FarmCrops(Dataset[tuple[Tensor, int]]):
    """Pictures of one object each, for classification: items `(image uint8 [3, size, size], label 1..5)`."""

    def __init__(
        self,
        count: int,
        first_seed: int = 0,
        size: int = 64,
        cache: Cache = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> None:
        """Load the crops, drawing those that are not in the cache; arguments as for `FarmScenes`."""
        self._batch = _load("crop", count, first_seed, size, cache, workers, progress)

    @property
    def labels(self) -> Tensor:
        """All labels: int64 [count]."""
        return torch.from_numpy(self._batch["label"]).long()

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._batch["image"])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """The picture and its label; IndexError past the end."""
        index = range(len(self))[index]
        return _channels_first(self._batch["image"][index]), int(self._batch["label"][index])


def _load(
    kind: str, count: int, first_seed: int, size: int, cache: Cache, workers: int | None, progress: bool
) -> Record:
    for name, value, lowest in (("count", count, 1), ("first_seed", first_seed, 0), ("size", size, 32)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if value < lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")
    if workers is not None and workers < 0:
        raise ValueError(f"workers must be 0 (this process), a number of processes, or None, not {workers}")
    folder = None if cache is False else cache_folder() if cache is None else Path(cache)
    return load_or_draw(kind, first_seed, count, size, folder=folder, workers=workers, progress=progress)


def _channels_first(image: Any) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).contiguous()  # [H, W, 3] -> [3, H, W]


def _target(scene: Scene) -> dict[str, Any]:
    return {
        "boxes": torch.from_numpy(scene.boxes),
        "labels": torch.from_numpy(scene.labels).long(),
        "class_mask": torch.from_numpy(scene.class_mask),
        "instance_masks": torch.from_numpy(scene.instance_masks),
        "stuff": torch.from_numpy(scene.stuff.copy()),
        "seed": scene.seed,
    }
