"""The picture while objects are painted on it, at twice the final size, and who covers which sample."""

import numpy as np

from detseg.data.farm.background import Landscape
from detseg.data.farm.classes import VOID
from detseg.data.farm.shading import Figure

SUPERSAMPLING = 2
MIN_SIDE, MIN_AREA = 10, 60
"""A visible part smaller than this (final pixels) becomes void: nobody is asked to find it."""


class Canvas:
    """Colour of each sample and the number of the object on top of it (0: none)."""

    def __init__(self, land: Landscape, rng: np.random.Generator) -> None:
        """Start from an empty landscape."""
        self.colour = land.finished(rng)  # [fine, fine, 3]
        self.owner = np.zeros((land.height, land.width), np.uint8)  # [fine, fine]
        self.labels: list[int] = []
        self._full_areas = np.zeros(0, np.int64)  # [objects] samples covered when placed
        self._visible_areas = np.zeros(0, np.int64)  # [objects] samples still seen

    def place(self, figure: Figure, label: int, left: int, top: int) -> None:
        """Put a figure with its upper left corner at (left, top), on top of all others.

        Refused, without a trace, if too much of it would lie outside, or of an earlier object would be hidden.
        """
        height, width = self.owner.shape[0], self.owner.shape[1]
        h, w = figure.covered.shape[0], figure.covered.shape[1]
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + w, width), min(top + h, height)
        if x2 - x1 < 0.45 * w or y2 - y1 < 0.45 * h:
            return
        inside = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
        covered = figure.covered[inside]
        owner = self.owner[y1:y2, x1:x2]
        still_visible = self._visible_areas - np.bincount(owner[covered], minlength=len(self.labels) + 1)[1:]
        if np.any(still_visible < 0.4 * self._full_areas):
            return
        self._cast_shadow((left + w / 2, min(top + 0.97 * h, height - 1)), (0.46 * w, max(0.06 * h, 2)))
        self.colour[y1:y2, x1:x2][covered] = figure.colour[inside][covered]
        self.labels.append(label)
        area = np.count_nonzero(covered)
        self._full_areas = np.append(self._full_areas, area)
        self._visible_areas = np.append(still_visible, area)
        owner[covered] = len(self.labels)

    def _cast_shadow(self, centre: tuple[float, float], radii: tuple[float, float]) -> None:
        (cx, cy), (rx, ry) = centre, radii
        height, width = self.owner.shape[0], self.owner.shape[1]
        x1, x2 = int(max(cx - rx, 0)), int(min(cx + rx, width))
        y1, y2 = int(max(cy - ry, 0)), int(min(cy + ry, height))
        x = (np.arange(x1, x2, dtype=np.float32) - cx) / rx
        y = (np.arange(y1, y2, dtype=np.float32) - cy) / ry
        darkness = np.clip(1.2 - (x**2 + y[:, None] ** 2), 0, 1)
        self.colour[y1:y2, x1:x2] *= (1 - 0.42 * darkness)[..., None]

    def develop(self, rng: np.random.Generator) -> np.ndarray:
        """The final picture: samples averaged, contrast and tint varied, grain added. uint8 [H, W, 3]."""
        image = np.zeros_like(self.colour[::SUPERSAMPLING, ::SUPERSAMPLING])  # [H, W, 3]
        for i in range(SUPERSAMPLING):
            for j in range(SUPERSAMPLING):
                image += self.colour[i::SUPERSAMPLING, j::SUPERSAMPLING]
        contrast = rng.uniform(0.88, 1.08)
        tint = 128 + rng.normal(0, 6) + rng.normal(0, 4, 3) - 128 * contrast
        grain = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(rng.uniform(1, 5))
        image *= np.float32(contrast / SUPERSAMPLING**2)
        image += tint.astype(np.float32)
        image += grain[..., None]
        return np.clip(image, 0, 255, out=image).astype(np.uint8)

    def visible_instances(self) -> tuple[np.ndarray, np.ndarray]:
        """Who is seen in each final pixel, and the labels of those who are seen.

        A pixel belongs to the object that has at least half of its samples. Returns the map uint8 [H, W] (0 none,
        i + 1 object i, 255 void: on an object too small to ask for) and the labels uint8 [N].
        """
        steps = range(SUPERSAMPLING)
        samples = np.stack([self.owner[i::SUPERSAMPLING, j::SUPERSAMPLING] for i in steps for j in steps])
        on_top = np.zeros_like(samples[0])  # [H, W]
        for number in range(1, len(self.labels) + 1):  # a tie goes to the nearer object
            count = (samples == number).sum(axis=0, dtype=np.uint8)  # [samples, H, W] -> [H, W]
            on_top[2 * count >= len(samples)] = number
        instances = np.zeros_like(on_top)
        kept: list[int] = []
        for number, label in enumerate(self.labels, start=1):
            mask = on_top == number  # [H, W]
            if not mask.any():
                continue
            x1, y1, x2, y2 = mask_extent(mask)
            if min(x2 - x1, y2 - y1) < MIN_SIDE or mask.sum() < MIN_AREA:
                instances[mask] = VOID
            else:
                kept.append(label)
                instances[mask] = len(kept)
        return instances, np.array(kept, np.uint8)


def mask_extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Tight box (x1, y1, x2, y2) around a non-empty bool mask [H, W], right and lower edges exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
