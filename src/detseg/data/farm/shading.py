"""From a flat figure to a lit, textured one."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from detseg.data.farm.animals import draw_cow, draw_dog, draw_horse, draw_sheep
from detseg.data.farm.noise import noise
from detseg.data.farm.person import draw_person
from detseg.data.farm.sprite import COAT, Finish, Sprite

DRAW = {"cow": draw_cow, "sheep": draw_sheep, "dog": draw_dog, "horse": draw_horse, "person": draw_person}


@dataclass(frozen=True)
class Figure:
    """A finished object, cut to its extent; the lowest row stands on the ground."""

    colour: np.ndarray
    """float32 [h, w, 3]; 0..255, highlights above."""
    covered: np.ndarray
    """bool [h, w]."""


def render(name: str, rng: np.random.Generator, unit: float, light: float = 1.0) -> Figure:
    """Draw one object of the class, `unit` pixels to a unit (a cow is about one unit long), facing either way."""
    sprite = Sprite(unit, flip=rng.random() < 0.5, tilt=rng.normal(0, 0.05))
    finish = DRAW[name](sprite, rng)
    picture = sprite.picture.crop(sprite.picture.getbbox(alpha_only=True))
    pixels = np.asarray(picture)  # [h, w, 4]
    colour = pixels[..., :3].astype(np.float32)  # [h, w, 3]
    covered = pixels[..., 3] > 0  # [h, w]
    coat = pixels[..., 3] == COAT  # [h, w]
    if finish.markings is not None:
        amount = _markings(rng, finish, unit, coat)[..., None]  # [h, w, 1]
        colour += (finish.markings - colour) * amount
    factor = _texture(rng, finish, unit, coat) * _shape_from_light(covered, unit) * light
    return Figure(colour * factor[..., None], covered)


def _markings(rng: np.random.Generator, finish: Finish, unit: float, coat: np.ndarray) -> np.ndarray:
    """How much of the marking colour each pixel takes: stripes, or noise above a threshold. float32 [h, w]."""
    height, width = coat.shape
    if finish.striped:
        period = max(unit * rng.uniform(0.05, 0.12), 3)
        rows = np.sin(np.arange(height, dtype=np.float32) * (2 * np.pi / period)) > 0
        return (rows[:, None] & coat).astype(np.float32)
    patches = noise(rng, "patches", height, width, max(unit / 133, 0.3))
    return np.clip((patches - finish.patch_threshold) * 45, 0, 1) * coat


def _texture(rng: np.random.Generator, finish: Finish, unit: float, coat: np.ndarray) -> np.ndarray:
    """Brightness factor of fur (everywhere) or wool (on the coat): float32 [h, w]."""
    height, width = coat.shape
    zoom = max(unit / 150, 0.25)
    if finish.texture == "wool":
        return 1 + finish.strength * 1.3 * (noise(rng, "wool", height, width, zoom * 1.2) - 0.72) * coat
    return 1 + finish.strength * 2 * (noise(rng, "fur", height, width, zoom * 1.5) - 0.5)


def _shape_from_light(covered: np.ndarray, unit: float) -> np.ndarray:
    """Brightness factor that makes the figure look round: a dark rim, a bright back, light from above."""
    height = len(covered)
    silhouette = Image.fromarray(covered.astype(np.uint8) * 255)
    blurred = (
        np.asarray(silhouette.filter(ImageFilter.BoxBlur(float(max(unit * 0.06, 1))))).astype(np.float32)
        / 255
    )
    step = max(int(unit * 0.05), 1)
    upward = np.zeros_like(blurred)
    upward[step:] = blurred[step:] - blurred[:-step]
    fall = np.linspace(1.06, 0.90, height, dtype=np.float32)[:, None]
    return (0.62 + 0.42 * blurred + 0.55 * upward) * fall
