"""Sheep: a ball of curls on thin legs, a bare face under a woollen cap."""

import numpy as np

from detseg.data.farm.animals.legs import draw_legs
from detseg.data.farm.outlines import Joint
from detseg.data.farm.palette import EYE, coat, is_light, shade
from detseg.data.farm.sprite import Finish, Sprite

HOOF = (40, 34, 32)
HORN = (196, 178, 140)


def draw_sheep(sprite: Sprite, rng: np.random.Generator) -> Finish:
    """Paint a sheep, grazing or with its head up."""
    weights = [0.42, 0.2, 0.12, 0.1, 0.08, 0.08]
    wool = coat(rng, ["white", "cream", "grey", "black", "brown", "tan"], weights)
    face_names = ["black", "white", "cream", "chocolate"] if is_light(wool) else ["black", "white", "cream"]
    face = coat(rng, face_names)
    length, leg = rng.uniform(0.9, 1.08), 0.34 * rng.uniform(0.85, 1.15)
    middle, half_length, half_height = leg + 0.30, 0.48 * length, 0.31

    hips = [-0.27 * length, 0.28 * length]
    draw_legs(sprite, rng, hips, leg + 0.06, (0.045, 0.032), face, HOOF, far=True, swing=0.25, coat=False)
    _fleece(sprite, rng, middle, half_length, half_height, wool)
    hips = [-0.33 * length, 0.22 * length]
    draw_legs(sprite, rng, hips, leg + 0.06, (0.05, 0.035), face, HOOF, far=False, swing=0.25, coat=False)
    for x in (-0.36, -0.2, 0, 0.15, 0.3):
        sprite.ellipse((x * length, leg + 0.07), rng.uniform(0.08, 0.11), wool, coat=True)
    _head(sprite, rng, np.array([0.42 * length, middle + 0.08]), wool, face)
    return Finish("wool", 0.5)


def _fleece(
    sprite: Sprite,
    rng: np.random.Generator,
    middle: float,
    half_length: float,
    half_height: float,
    wool: np.ndarray,
) -> None:
    """A barrel with tufts all around, so that the outline is scalloped."""
    sprite.ellipse((0, middle), (half_length * 1.02, half_height * 1.02), wool, coat=True)
    tufts = int(rng.integers(13, 18))
    angles = np.linspace(0, 2 * np.pi, tufts, endpoint=False) + rng.random()
    # The exponent below 1 squares the ring of tufts a little, as a barrel seen from the side.
    x = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** 0.8 * half_length
    y = np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** 0.8 * half_height + middle
    for centre in np.stack([x, y], axis=1):
        sprite.ellipse(centre, rng.uniform(0.09, 0.13), wool, coat=True)
    sprite.ellipse((-half_length - 0.07, middle + 0.06), (0.07, 0.10), wool, coat=True)  # tail


def _head(
    sprite: Sprite, rng: np.random.Generator, shoulder: np.ndarray, wool: np.ndarray, face: np.ndarray
) -> None:
    grazing = rng.random() < 0.38
    angle = rng.uniform(-1.2, -0.8) if grazing else rng.uniform(-0.25, 0.25)
    crown = Joint(shoulder, angle).at(0.16, 0.10)
    sprite.ellipse((shoulder + crown) / 2, (0.17, 0.15), wool, coat=True, angle=angle)  # neck
    head = Joint(crown, angle * 0.6 + rng.uniform(-0.7, -0.3))
    if rng.random() < 0.2:
        curl = [(-0.03, 0.1), (-0.13, 0.15), (-0.18, 0.05), (-0.10, -0.02)]
        sprite.limb(head(curl), [0.04, 0.035, 0.025, 0.012], HORN)
    skull = [(-0.09, 0.05), (0.0, 0.12), (0.12, 0.08), (0.24, 0.02), (0.26, -0.05), (0.18, -0.09)]
    sprite.outline(head([*skull, (0.02, -0.11), (-0.09, -0.08)]), face)
    sprite.ellipse(head.at(-0.04, 0.10), (0.10, 0.075), wool, coat=True)
    sprite.outline(head([(-0.05, 0.05), (-0.12, 0.10), (-0.22, 0.03), (-0.14, -0.03)]), shade(face, 0.8))
    sprite.ellipse(head.at(0.09, 0.03), 0.018, EYE if is_light(face) else (230, 220, 120))
