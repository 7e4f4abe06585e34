"""One farm scene: objects painted from far to near over a landscape, with exact targets."""

from dataclasses import dataclass

import numpy as np

from detseg.data.farm.background import draw_background
from detseg.data.farm.classes import CLASSES, VOID
from detseg.data.farm.clutter import draw_clutter
from detseg.data.farm.shading import Figure, render

SUPERSAMPLING = 2
MAX_OBJECTS = 8
MIN_SIDE, MIN_AREA = 10, 60
"""A visible part smaller than this (pixels) is void: nobody is asked to find it."""

UNITS = {"cow": 1.0, "sheep": 0.78, "dog": 0.68, "horse": 1.0, "person": 0.95}
"""Size of each class relative to the others at the same distance."""


@dataclass(frozen=True)
class Scene:
    """A picture and everything known about it; boxes and masks are derived from one map, so they always agree."""

    seed: int
    image: np.ndarray
    """uint8 [H, W, 3], RGB."""
    instances: np.ndarray
    """uint8 [H, W]: 0 for no object, i + 1 where object i is visible, 255 for void."""
    labels: np.ndarray
    """uint8 [N]: class of each object, 1..5, in painting order (far to near)."""
    stuff: np.ndarray
    """uint8 [H, W]: index into STUFF of what lies behind the objects."""

    @property
    def instance_masks(self) -> np.ndarray:
        """Visible pixels of each object: bool [N, H, W]."""
        numbers = np.arange(1, len(self.labels) + 1, dtype=np.uint8)
        return self.instances == numbers[:, None, None]  # [N, H, W]

    @property
    def class_mask(self) -> np.ndarray:
        """Class of each pixel: uint8 [H, W], 0 background, 255 void."""
        table = np.zeros(256, np.uint8)
        table[1 : len(self.labels) + 1] = self.labels
        table[VOID] = VOID
        return table[self.instances]

    @property
    def boxes(self) -> np.ndarray:
        """Extent of each visible mask: float32 [N, 4], (x1, y1, x2, y2), right and lower edges exclusive."""
        return np.array([mask_extent(mask) for mask in self.instance_masks], np.float32).reshape(-1, 4)


def mask_extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Tight box (x1, y1, x2, y2) around a non-empty bool mask [H, W], right and lower edges exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def farm_scene(seed: int, size: int = 128) -> Scene:
    """Draw the scene of a seed, `size` pixels wide and high.

    The same seed gives the same scene in every process. About 3.5 objects, 83 % background; a few scenes are empty.

    Raises:
        ValueError: negative seed, or size below 32.
    """
    if seed < 0 or size < 32:
        raise ValueError(f"farm_scene needs seed >= 0 and size >= 32, not seed={seed}, size={size}")
    rng = np.random.default_rng([0, seed])
    fine = size * SUPERSAMPLING
    land = draw_background(rng, fine, fine)
    draw_clutter(rng, land)
    canvas = _Canvas(np.array(land.picture, np.float32))
    light = rng.uniform(0.9, 1.08)
    for y, label, unit, x in _plan(rng, fine, land.horizon):
        canvas.place(render(CLASSES[label], rng, unit, light), label, x, y)
    image = develop(rng, canvas.colour)
    instances, labels = _visible(canvas.owner, canvas.labels)
    middle = SUPERSAMPLING // 2
    stuff = np.asarray(land.stuff)[middle::SUPERSAMPLING, middle::SUPERSAMPLING].copy()  # [size, size]
    return Scene(seed, image, instances, labels, stuff)


def _plan(rng: np.random.Generator, fine: int, horizon: int) -> list[tuple[float, int, float, float]]:
    """Where the objects stand, far to near: (y of the feet, label, unit, x). A herd shares one class."""
    herd = rng.integers(1, len(CLASSES)) if rng.random() < 0.35 else None
    plan = []
    for _ in range(rng.binomial(MAX_OBJECTS, 0.5)):
        label = int(rng.integers(1, len(CLASSES)))
        if herd is not None and rng.random() < 0.7:
            label = int(herd)
        depth = rng.uniform(0.10, 1.0)
        unit = UNITS[CLASSES[label]] * fine * (0.13 + 0.30 * depth) * np.exp(rng.normal(0, 0.22))
        x = rng.uniform(-0.02, 1.02) * fine
        plan.append((horizon + (fine - horizon) * depth, label, max(unit, 14 * SUPERSAMPLING), x))
    return sorted(plan, key=lambda item: item[0])


class _Canvas:
    """The supersampled picture and, for each sample, the number of the object on top (0: none)."""

    def __init__(self, colour: np.ndarray) -> None:
        self.colour = colour  # [fine, fine, 3]
        self.owner = np.zeros(colour.shape[:2], np.uint8)
        self.labels: list[int] = []
        self._full_areas: list[int] = []

    def place(self, figure: Figure, label: int, x: float, y: float) -> None:
        """Put the figure with its feet at (x, y), unless too much of it or of an earlier one would be out of sight."""
        fine_h, fine_w = self.owner.shape
        h, w = figure.covered.shape
        left, top = int(x - w / 2), int(min(y, fine_h + 0.15 * h) - h)
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + w, fine_w), min(top + h, fine_h)
        if x2 - x1 < 0.45 * w or y2 - y1 < 0.45 * h:
            return
        inside = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
        covered = figure.covered[inside]
        owner = self.owner[y1:y2, x1:x2]
        visible = np.bincount(self.owner.ravel(), minlength=len(self.labels) + 1)[1:]
        hidden = np.bincount(owner[covered], minlength=len(self.labels) + 1)[1:]
        if np.any(visible - hidden < 0.4 * np.array(self._full_areas)):
            return
        self._shadow((left + w / 2, min(top + h - 0.03 * h, fine_h - 1)), (0.46 * w, max(0.06 * h, 2)))
        self.colour[y1:y2, x1:x2][covered] = figure.colour[inside][covered]
        self.labels.append(label)
        self._full_areas.append(int(covered.sum()))
        owner[covered] = len(self.labels)

    def _shadow(self, centre: tuple[float, float], radii: tuple[float, float]) -> None:
        fine_h, fine_w = self.owner.shape
        (cx, cy), (rx, ry) = centre, radii
        x1, x2 = int(max(cx - rx, 0)), int(min(cx + rx, fine_w))
        y1, y2 = int(max(cy - ry, 0)), int(min(cy + ry, fine_h))
        x = (np.arange(x1, x2, dtype=np.float32) - cx) / rx
        y = (np.arange(y1, y2, dtype=np.float32) - cy) / ry
        darkness = np.clip(1.2 - (x**2 + y[:, None] ** 2), 0, 1)
        self.colour[y1:y2, x1:x2] *= (1 - 0.42 * darkness)[..., None]


def develop(rng: np.random.Generator, fine: np.ndarray) -> np.ndarray:
    """Average the samples, then vary contrast and tint and add grain: float [sH, sW, 3] -> uint8 [H, W, 3]."""
    image = sum(
        fine[i::SUPERSAMPLING, j::SUPERSAMPLING] for i in range(SUPERSAMPLING) for j in range(SUPERSAMPLING)
    )
    image = image / np.float32(SUPERSAMPLING**2)  # [H, W, 3]
    contrast, brightness = rng.uniform(0.88, 1.08), 128 + rng.normal(0, 6)
    tint = (brightness + rng.normal(0, 4, 3)).astype(np.float32)
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None] * np.float32(rng.uniform(1, 5))
    return np.clip((image - 128) * np.float32(contrast) + tint + grain, 0, 255).astype(np.uint8)


def _visible(owner: np.ndarray, labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels with at least half their samples on an object belong to it; objects too small to ask for become void."""
    size = owner.shape[0] // SUPERSAMPLING
    samples = owner.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING).swapaxes(1, 2).reshape(size, size, -1)
    on_top = np.zeros((size, size), np.uint8)
    for number in range(1, len(labels) + 1):  # a tie goes to the nearer object
        on_top[(samples == number).sum(axis=2) * 2 >= SUPERSAMPLING**2] = number
    instances = np.zeros((size, size), np.uint8)
    kept: list[int] = []
    for number, label in enumerate(labels, start=1):
        mask = on_top == number  # [size, size]
        if not mask.any():
            continue
        x1, y1, x2, y2 = mask_extent(mask)
        if min(x2 - x1, y2 - y1) < MIN_SIDE or mask.sum() < MIN_AREA:
            instances[mask] = VOID
        else:
            kept.append(label)
            instances[mask] = len(kept)
    return instances, np.array(kept, np.uint8)
