"""Things that are not asked for but look as if they might be: trees, bushes, rocks, bales, a barn, a fence, flowers."""

from collections.abc import Callable

import numpy as np

from detseg.data.farm.background import Landscape
from detseg.data.farm.outlines import smooth_curve, unit_circle
from detseg.data.farm.palette import coat, one_of, shade, vary

FOLIAGE = ((58, 96, 46), (84, 120, 52), (150, 110, 50), (48, 80, 56))
SHRUBS = ((66, 104, 50), (100, 110, 54), (120, 84, 52))
BARNS = ((150, 60, 48), (180, 170, 150), (110, 84, 64))
FLOWERS = ((240, 236, 230), (236, 200, 60), (200, 90, 130))


def draw_clutter(rng: np.random.Generator, land: Landscape) -> None:
    """Scatter distractors over the landscape, far ones first."""
    height, horizon = land.height, land.horizon
    items: list[tuple[float, Callable[..., None]]] = []
    for _ in range(rng.integers(0, 4)):
        items.append((rng.uniform(horizon, horizon + 0.10 * height), _tree))
    small = (_bush, _rock, _rock, _bale, _stump)
    for _ in range(rng.integers(0, 3)):
        items.append((rng.uniform(horizon + 0.08 * height, height), small[rng.integers(len(small))]))
    if rng.random() < 0.25:
        items.append((horizon + 0.02 * height, _barn))
    for y, draw in sorted(items, key=lambda item: item[0]):
        nearness = 0.35 + 0.65 * (y - horizon) / (height - horizon + 1)
        draw(rng, land, rng.uniform(0, land.width), y, nearness)
    if rng.random() < 0.3:
        _fence(rng, land)
    _grass_and_flowers(rng, land)


def _tree(rng: np.random.Generator, land: Landscape, x: float, y: float, nearness: float) -> None:
    radius = rng.uniform(0.06, 0.13) * land.height
    crown = y - radius * rng.uniform(1.4, 2.2)
    wide, narrow = radius * 0.13, radius * 0.08
    trunk = [(x - wide, y), (x + wide, y), (x + narrow, crown), (x - narrow, crown)]
    land.polygon(trunk, vary(rng, (96, 70, 50)), "tree")
    leaves = one_of(rng, FOLIAGE)
    for i in range(16):
        r = radius * rng.uniform(0.3, 0.55)
        dx, dy = rng.normal(0, 0.45, 2)
        # Later clumps and higher ones are brighter: light from above.
        brightness = 0.75 + 0.5 * (i / 16) - dy * 0.18
        land.disc(x + dx * radius, crown + dy * radius, r, r, shade(leaves, brightness), "tree")


def _bush(rng: np.random.Generator, land: Landscape, x: float, y: float, nearness: float) -> None:
    radius = rng.uniform(0.04, 0.10) * land.height * (nearness + 0.3)
    leaves = one_of(rng, SHRUBS)
    for _ in range(18):
        r = radius * rng.uniform(0.2, 0.42)
        dx, dy = rng.normal(0, 0.6), -abs(rng.normal(0, 0.4))
        land.disc(x + dx * radius, y + dy * radius, r, r, shade(leaves, rng.uniform(0.7, 1.25)), "tree")


def _rock(rng: np.random.Generator, land: Landscape, x: float, y: float, nearness: float) -> None:
    """A lump in a coat colour of the animals, with a lit top and speckles."""
    radius = rng.uniform(0.035, 0.11) * land.height * (nearness + 0.2)
    colour = coat(rng, ["grey", "white", "brown", "cream", "black", "tan"])
    flat = np.array([radius * rng.uniform(0.9, 1.5), radius * 0.7])
    corners = unit_circle(9) * flat * rng.uniform(0.75, 1.1, (9, 1)) + (x, y - radius * 0.5)
    edge = smooth_curve(corners, steps=3)
    land.polygon(edge, shade(colour, 0.72), "clutter")
    lit_top = (edge - (x, y - radius * 0.7)) * 0.78 + (x - radius * 0.06, y - radius * 0.78)
    land.polygon(lit_top, colour, "clutter")
    speckle = radius * 0.07
    for _ in range(12):
        dx, dy = rng.normal(0, 0.35, 2) * radius
        brightness = rng.uniform(0.7, 1.2)
        spot = (x + dx, y - radius * 0.6 + dy * 0.6)
        land.disc(*spot, speckle, speckle, shade(colour, brightness), "clutter")


def _stump(rng: np.random.Generator, land: Landscape, x: float, y: float, nearness: float) -> None:
    radius = rng.uniform(0.03, 0.06) * land.height * (nearness + 0.3)
    bark = vary(rng, (112, 80, 52))
    top = y - radius * rng.uniform(0.9, 1.6)
    roots = [(x - radius * 1.25, y), (x + radius * 1.25, y), (x + radius, top), (x - radius, top)]
    land.polygon(roots, shade(bark, 0.8), "clutter")
    land.disc(x, top, radius, radius * 0.35, shade(bark, 1.7), "clutter")
    land.disc(x, top, radius * 0.5, radius * 0.17, shade(bark, 1.4), "clutter")


def _bale(rng: np.random.Generator, land: Landscape, x: float, y: float, nearness: float) -> None:
    radius = rng.uniform(0.05, 0.10) * land.height * (nearness + 0.2)
    straw = vary(rng, (204, 172, 92))
    land.disc(x, y - radius, radius, radius, straw, "clutter")
    for turn in range(5, 0, -1):
        land.ring(x, y - radius, radius * turn / 5.6, shade(straw, 0.72), radius * 0.06)


def _barn(rng: np.random.Generator, land: Landscape, x: float, y: float, nearness: float) -> None:
    width, height = rng.uniform(0.10, 0.2) * land.width, rng.uniform(0.09, 0.15) * land.height
    land.rectangle(x - width / 2, y - height, x + width / 2, y, one_of(rng, BARNS), "building")
    roof = [(x - width * 0.6, y - height), (x, y - height * 1.6), (x + width * 0.6, y - height)]
    land.polygon(roof, (84, 70, 66), "building")
    land.rectangle(x - width * 0.12, y - height * 0.55, x + width * 0.12, y, (60, 46, 40), "building")


def _fence(rng: np.random.Generator, land: Landscape) -> None:
    """Two rails and posts, right across the picture."""
    y = land.horizon + rng.uniform(0.04, 0.16) * land.height
    post = 0.07 * land.height
    wood = coat(rng, ["white", "brown", "tan", "grey"])
    for level in (0.35, 0.75):
        land.stroke(0, y - post * level, land.width, y - post * level, wood, post * 0.11)
    for x in np.arange(rng.uniform(0, 0.1) * land.width, land.width, 0.13 * land.width):
        land.rectangle(x, y - post, x + post * 0.16, y + post * 0.1, wood, "clutter")


def _grass_and_flowers(rng: np.random.Generator, land: Landscape) -> None:
    count = int(rng.integers(60, 160))
    depths = rng.random(count) ** 0.8
    columns = rng.random(count) * land.width
    brightnesses = rng.uniform(0.6, 1.3, count)
    flowering = rng.random() < 0.4
    petal = FLOWERS[rng.integers(len(FLOWERS))]
    for depth, x, brightness in zip(depths.tolist(), columns.tolist(), brightnesses.tolist(), strict=True):
        y = land.horizon + depth * (land.height - land.horizon)
        length = (0.006 + 0.022 * depth) * land.height
        if flowering and brightness > 1.15:
            land.blossom(x, y, length * 0.22, petal)
        else:
            lean = length * 0.3 * (brightness - 0.9)
            land.stroke(x, y, x + lean, y - length, land.ground * brightness, length * 0.16)
