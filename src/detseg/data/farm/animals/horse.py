"""Horse: long legs, a long arched neck with a mane, a tail to the hocks."""

import numpy as np

from detseg.data.farm.animals.legs import draw_legs
from detseg.data.farm.outlines import Joint
from detseg.data.farm.palette import EYE, coat, is_light, shade
from detseg.data.farm.sprite import Finish, Sprite

BLAZE = (236, 232, 226)


def draw_horse(sprite: Sprite, rng: np.random.Generator) -> Finish:
    """Paint a horse, grazing or with its head up; plain or pinto, perhaps with white socks."""
    names = ["white", "cream", "tan", "brown", "chocolate", "black", "grey", "red", "golden"]
    base = coat(rng, names)
    spots = coat(rng, ["brown", "chocolate", "black"] if is_light(base) else ["white", "cream"])
    mane = coat(rng, ["black", "chocolate", "cream", "white"])
    length = rng.uniform(0.92, 1.06)
    leg = 0.62 * rng.uniform(0.92, 1.06)
    lift = leg - 0.62
    stretch, up = (length, 1.0), (0.0, lift)
    hip, shoulder = -0.40 * length, 0.36 * length
    hoof = coat(rng, ["white"]) if rng.random() < 0.4 else shade(base, 0.6)

    hips = [hip + 0.1, shoulder - 0.1]
    draw_legs(sprite, rng, hips, leg, (0.065, 0.036), base, shade(hoof, 0.7), far=True, swing=0.42)
    _tail(sprite, rng, np.array([-0.47 * length, 1.0 + lift]), mane)
    belly = [(-0.50, 1.0), (-0.51, 0.82), (-0.40, 0.68), (-0.1, 0.66), (0.15, 0.62), (0.38, 0.60)]
    back = [(0.50, 0.78), (0.48, 0.98), (0.3, 1.04), (0.02, 0.98), (-0.26, 1.07), (-0.42, 1.08)]
    sprite.outline(np.array([*belly, *back]) * stretch + up, base, coat=True)
    _head(sprite, rng, (0.38 * length, 0.90 + lift), base, mane)
    draw_legs(sprite, rng, [hip, shoulder], leg, (0.08, 0.04), base, hoof, far=False, swing=0.42)
    sprite.ellipse((hip + 0.02, leg + 0.2), (0.14, 0.19), base, coat=True)

    pinto = rng.random() < 0.3
    return Finish("fur", 0.1, markings=spots if pinto else None, patch_threshold=rng.uniform(0.48, 0.6))


def _tail(sprite: Sprite, rng: np.random.Generator, root: np.ndarray, mane: np.ndarray) -> None:
    sweep = rng.uniform(0, 0.25)
    falling = [(-0.16 - sweep, -0.2), (-0.15 - sweep, -0.55), (-0.06 - sweep * 0.6, -0.50)]
    sprite.outline(root + np.array([(0.04, 0.02), (-0.08, 0.03), *falling, (-0.02, -0.15)]), mane)


def _head(
    sprite: Sprite,
    rng: np.random.Generator,
    shoulder: tuple[float, float],
    base: np.ndarray,
    mane: np.ndarray,
) -> None:
    grazing = rng.random() < 0.25
    angle = rng.uniform(-1.7, -1.35) if grazing else rng.uniform(-0.25, 0.2)
    neck = Joint(shoulder, angle)
    throat = [(0.36, 0.54), (0.28, 0.36), (0.20, 0.12), (0.10, -0.20)]
    sprite.outline(neck([(-0.16, 0.06), (-0.02, 0.26), (0.10, 0.50), (0.22, 0.62), *throat]), base, coat=True)

    nod = rng.uniform(0.0, 0.5) if grazing else rng.uniform(-0.75, -0.35)
    head = Joint(neck.at(0.26, 0.54), angle + nod)
    sprite.polygon(head([(-0.08, 0.06), (-0.06, 0.20), (0.0, 0.10)]), shade(base, 0.75))
    skull = [(-0.11, 0.06), (0.0, 0.11), (0.14, 0.07), (0.34, 0.05), (0.41, -0.02), (0.38, -0.09)]
    sprite.outline(head([*skull, (0.24, -0.09), (0.10, -0.13), (-0.06, -0.10)]), base, coat=True)
    sprite.polygon(head([(-0.02, 0.08), (0.01, 0.22), (0.06, 0.09)]), shade(base, 0.88))
    crest = [(-0.20, 0.10), (-0.10, 0.30), (0.06, 0.56), (0.20, 0.68), (0.26, 0.60)]
    sprite.outline(neck([*crest, (0.16, 0.48), (0.08, 0.28), (-0.02, 0.14), (-0.12, 0.02)]), mane)
    if rng.random() < 0.4:
        sprite.polygon(head([(0.05, 0.09), (0.3, 0.055), (0.3, 0.02), (0.08, 0.05)]), BLAZE)
    sprite.ellipse(head.at(0.06, 0.04), 0.02, EYE)
    sprite.ellipse(head.at(0.37, -0.02), 0.014, (30, 20, 20))
