"""A picture of what the generator makes: single objects, scenes, the same scenes with their targets, small scenes."""

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detseg.data.farm.classes import CLASSES
from detseg.data.farm.crop import farm_crop
from detseg.data.farm.scene import Scene, farm_scene

WIDTH = 896

CLASS_COLOURS = {  # Okabe and Ito's palette, told apart by colour-blind readers too
    "cow": (230, 159, 0),
    "sheep": (86, 180, 233),
    "dog": (0, 158, 115),
    "horse": (240, 228, 66),
    "person": (204, 121, 167),
}


def contact_sheet(first_seed: int = 0) -> Image.Image:
    """The sheet, WIDTH pixels wide; another `first_seed` shows other pictures."""
    rows = []
    for label in range(1, len(CLASSES)):
        seeds = range(first_seed + 100 * label, first_seed + 100 * label + 8)
        rows.append([farm_crop(seed, WIDTH // 8, label)[0] for seed in seeds])
    large = list(itertools.islice(_full_scenes(first_seed, WIDTH // 4), 8))
    for four in (large[:4], large[4:]):
        rows.append([scene.image for scene in four])
        rows.append([draw_targets(scene) for scene in four])
    small = itertools.islice(_full_scenes(first_seed, 128), 14)
    pictures = [scene.image for scene in small]
    rows += [pictures[:7], pictures[7:]]
    return Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))


def draw_targets(scene: Scene) -> np.ndarray:
    """The scene, darkened, with masks, boxes and names in the colours of the classes: uint8 [H, W, 3]."""
    pixels = scene.image * 0.45
    names = [CLASSES[label] for label in scene.labels]
    for i, mask in enumerate(scene.instance_masks):
        strength = 0.65 - 0.12 * (i % 3)  # neighbours of one class stay apart
        pixels[mask] += strength * (np.array(CLASS_COLOURS[names[i]]) - pixels[mask])
    picture = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=11)
    for name, (x1, y1, x2, y2) in zip(names, scene.boxes.tolist(), strict=True):
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=CLASS_COLOURS[name])
        draw.text((x1 + 2, y1), name, fill="white", font=font, stroke_width=1, stroke_fill="black")
    return np.asarray(picture)


def _full_scenes(first_seed: int, size: int) -> Iterator[Scene]:
    """The scenes with at least three objects, from a seed on."""
    scenes = (farm_scene(seed, size) for seed in itertools.count(first_seed))
    return (scene for scene in scenes if len(scene.labels) >= 3)
