"""A picture of one object, for classification: what ImageNet is to the real detectors."""

import numpy as np

from detseg.data.farm.background import draw_background
from detseg.data.farm.canvas import SUPERSAMPLING, Canvas
from detseg.data.farm.classes import CLASSES
from detseg.data.farm.clutter import draw_clutter
from detseg.data.farm.shading import render


def farm_crop(seed: int, size: int = 64, label: int | None = None) -> tuple[np.ndarray, int]:
    """Draw the single-object picture of a seed: (uint8 [size, size, 3], label 1..5).

    `label` asks for a class; by default the seed decides.

    Raises:
        ValueError: negative seed, size below 32, or a label outside 1..5.
    """
    if seed < 0 or size < 32:
        raise ValueError(f"farm_crop needs seed >= 0 and size >= 32, not seed={seed}, size={size}")
    if label is not None and not 1 <= label < len(CLASSES):
        raise ValueError(f"label must be 1 to {len(CLASSES) - 1} ({', '.join(CLASSES[1:])}), not {label}")
    rng = np.random.default_rng([1, seed])
    drawn = int(rng.integers(1, len(CLASSES)))
    label = drawn if label is None else label
    fine = size * SUPERSAMPLING
    land = draw_background(rng, fine, fine)
    if rng.random() < 0.5:
        draw_clutter(rng, land)
    canvas = Canvas(land, rng)
    tall = CLASSES[label] in ("horse", "person")
    figure = render(CLASSES[label], rng, fine * rng.uniform(0.40, 0.72) * (0.82 if tall else 1.0))
    h, w = figure.covered.shape
    shift_x, shift_y = rng.normal(0, 0.06 * fine, 2)
    canvas.place(figure, label, left=int((fine - w) / 2 + shift_x), top=int((fine - h) / 2 + shift_y))
    return canvas.develop(rng), label
