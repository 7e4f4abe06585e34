"""Cow: a long, deep barrel on short legs, udder, horns, a heavy head."""

import numpy as np

from detseg.data.farm.animals.legs import draw_legs
from detseg.data.farm.outlines import Joint, rotate
from detseg.data.farm.palette import EYE, coat, is_light, shade
from detseg.data.farm.sprite import Finish, Sprite

HORN = (232, 222, 190)
UDDER = (222, 160, 150)
HOOF = (58, 48, 42)
BLAZE = (238, 234, 226)


def draw_cow(sprite: Sprite, rng: np.random.Generator) -> Finish:
    """Paint a cow, grazing or with its head up."""
    base = coat(rng, ["white", "cream", "brown", "black", "red", "tan", "grey"])
    spots = coat(rng, ["black", "chocolate", "brown", "red"] if is_light(base) else ["white", "cream"])
    length, girth = rng.uniform(0.92, 1.1), rng.uniform(0.94, 1.1)
    leg = 0.44 * rng.uniform(0.9, 1.1)
    stretch = (length, 1.0)
    hip, shoulder = -0.43 * length, 0.40 * length

    draw_legs(sprite, rng, [hip + 0.1, shoulder - 0.06], leg, (0.085, 0.045), base, HOOF, far=True)
    _tail(sprite, rng, length, base, spots)
    sprite.ellipse((-0.22 * length, 0.45), (0.12, 0.10 * girth), UDDER)
    belly = [(-0.56, 0.68), (-0.46, 0.52), (-0.12, 0.45 - 0.05 * girth), (0.22, 0.44), (0.44, 0.48)]
    back = [
        (0.56, 0.66),
        (0.52, 0.84),
        (0.36, 0.95),
        (0.05, 0.91),
        (-0.3, 0.94),
        (-0.47, 0.94),
        (-0.54, 0.86),
    ]
    sprite.outline(np.array([*belly, *back]) * stretch, base, coat=True)
    _head(sprite, rng, (0.45 * length, 0.78), base)
    draw_legs(sprite, rng, [hip, shoulder], leg, (0.1, 0.05), base, HOOF, far=False)
    thigh = np.array([(-0.5, 0.8), (-0.53, 0.64), (-0.42, 0.46), (-0.3, 0.52), (-0.24, 0.7), (-0.34, 0.86)])
    sprite.outline(thigh * stretch, base, coat=True)

    spotted = rng.random() < 0.78
    return Finish("fur", 0.14, markings=spots if spotted else None, patch_threshold=rng.uniform(0.42, 0.56))


def _tail(
    sprite: Sprite, rng: np.random.Generator, length: float, base: np.ndarray, tuft: np.ndarray
) -> None:
    root = (-0.52 * length, 0.88)
    tail = rotate([root, (-0.60 * length, 0.72), (-0.60 * length, 0.45)], rng.uniform(-0.2, 0.1), root)
    sprite.limb(tail, [0.025, 0.02, 0.018], shade(base, 0.85), coat=True)
    sprite.ellipse(tail[-1] + (0, -0.05), (0.04, 0.08), shade(tuft, 0.8))


def _head(sprite: Sprite, rng: np.random.Generator, shoulder: tuple[float, float], base: np.ndarray) -> None:
    grazing = rng.random() < 0.38
    angle = rng.uniform(-1.35, -0.95) if grazing else rng.uniform(-0.35, 0.3)
    neck = Joint(shoulder, angle)
    neck_outline = [(-0.1, 0.16), (0.12, 0.2), (0.33, 0.26), (0.36, 0.02), (0.15, -0.16), (-0.02, -0.28)]
    sprite.outline(neck(neck_outline), base, coat=True)

    nod = rng.uniform(-0.1, 0.5) if grazing else rng.uniform(-0.85, -0.35)
    head = Joint(neck.at(0.34, 0.16), angle + nod)
    horned = rng.random() < 0.65
    if horned:
        far_horn = head([(-0.05, 0.12), (-0.06, 0.24), (0.03, 0.30)])
        sprite.limb(far_horn, [0.032, 0.025, 0.01], shade(HORN, 0.95))
    skull = [(-0.12, 0.10), (0.0, 0.15), (0.14, 0.10), (0.30, 0.07), (0.37, 0.0), (0.34, -0.09)]
    sprite.outline(head([*skull, (0.2, -0.11), (0, -0.13), (-0.12, -0.08)]), base, coat=True)
    if rng.random() < 0.3:
        sprite.outline(head([(-0.08, 0.11), (0.0, 0.15), (0.14, 0.10), (0.28, 0.06), (0.12, 0.03)]), BLAZE)
    muzzle = [(0.26, 0.08), (0.37, 0.04), (0.39, -0.04), (0.34, -0.1), (0.26, -0.1)]
    sprite.outline(head(muzzle), (205, 150, 140) if rng.random() < 0.6 else (70, 60, 58))
    if horned:
        sprite.limb(head([(-0.01, 0.12), (0.02, 0.24), (0.11, 0.29)]), [0.035, 0.027, 0.01], HORN)
    sprite.outline(head([(-0.06, 0.08), (-0.17, 0.16), (-0.27, 0.10), (-0.17, 0.03)]), shade(base, 0.8))
    sprite.ellipse(head.at(0.1, 0.04), 0.022, EYE)
    sprite.ellipse(head.at(0.34, 0.0), 0.014, (60, 30, 30))
