"""Textures: a small bank of noise tiles, made once from a fixed seed, and random pieces cut from it."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

TILE = 512
BANK_SEED = 0


def fractal(rng: np.random.Generator, first: int, octaves: int = 6, gain: float = 0.55) -> np.ndarray:
    """Sum of smooth random grids, each twice as fine and `gain` times as strong: float32 [TILE, TILE] in [0, 1]."""
    total = np.zeros((TILE, TILE), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        if cells > TILE // 2:
            break
        # Wrapped padding, cut off again by `box`, makes the tile periodic.
        grid = np.pad(rng.random((cells, cells), dtype=np.float32), 2, mode="wrap")
        box = (2, 2, cells + 2, cells + 2)
        layer = Image.fromarray(grid).resize((TILE, TILE), Image.Resampling.BICUBIC, box=box)
        total += gain**octave * (np.asarray(layer) - 0.5)
    total -= total.min()
    return total / total.max()


def wool(rng: np.random.Generator, radius: float = 9.0) -> np.ndarray:
    """Overlapping curls, each a dark disc with a bright one on it: float32 [TILE, TILE] in [0, 1]."""
    tile = Image.new("L", (TILE, TILE), 120)
    draw = ImageDraw.Draw(tile)
    for _ in range(int(2.2 * (TILE / radius) ** 2)):
        x, y = rng.random(2) * TILE
        r = radius * rng.uniform(0.6, 1.2)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.uniform(95, 150)))
        draw.ellipse((x - 0.75 * r, y - 0.9 * r, x + 0.75 * r, y + 0.5 * r), fill=int(rng.uniform(165, 255)))
    return np.asarray(tile.filter(ImageFilter.GaussianBlur(1.2)), np.float32) / 255


def fur(rng: np.random.Generator) -> np.ndarray:
    """Short horizontal streaks around 0.5: float32 [TILE, TILE] in [0, 1]."""
    grains = Image.fromarray(rng.random((TILE, TILE), dtype=np.float32))
    streaks = grains.resize((TILE // 3, TILE), Image.Resampling.BOX)
    tile = np.asarray(streaks.resize((TILE, TILE), Image.Resampling.BILINEAR))
    return np.clip(0.5 + 0.2 * (tile - tile.mean()) / tile.std(), 0, 1).astype(np.float32)


@lru_cache(maxsize=1)
def noise_bank() -> dict[str, list[np.ndarray]]:
    """The tiles by kind; the same in every process, because the seed is fixed."""
    rng = np.random.default_rng(BANK_SEED)
    return {
        "coarse": [fractal(rng, first=3) for _ in range(4)],
        "fine": [fractal(rng, first=16, gain=0.75) for _ in range(4)],
        "patches": [fractal(rng, first=4, octaves=3) for _ in range(4)],
        "wool": [wool(rng) for _ in range(2)],
        "fur": [fur(rng) for _ in range(2)],
    }


def noise(
    rng: np.random.Generator,
    kind: str,
    height: int,
    width: int,
    zoom: float = 1.0,
    zoom_y: float | None = None,
) -> np.ndarray:
    """A random piece of a random tile, enlarged `zoom` times (`zoom_y` vertically): float32 [height, width]."""
    tiles = noise_bank()[kind]
    tile = tiles[rng.integers(len(tiles))]
    rows = min(max(int(height / (zoom_y or zoom)), 2), TILE)
    columns = min(max(int(width / zoom), 2), TILE)
    top = rng.integers(0, TILE - rows + 1)
    left = rng.integers(0, TILE - columns + 1)
    piece = tile[top : top + rows, left : left + columns]  # [rows, columns]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    if piece.shape == (height, width):
        return piece
    enlarged = Image.fromarray(np.ascontiguousarray(piece)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(enlarged)  # [height, width]
