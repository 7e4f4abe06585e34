"""Dog: a big head with a muzzle, a tucked belly, a tail held high, short legs with paws; some sit."""

import numpy as np

from detseg.data.farm.animals.legs import draw_legs
from detseg.data.farm.outlines import Joint, rotate
from detseg.data.farm.palette import EYE, coat, is_light, shade
from detseg.data.farm.sprite import Finish, Sprite

NOSE = (18, 16, 18)
TONGUE = (216, 96, 100)
COLLARS = ((190, 40, 40), (40, 70, 180), (230, 190, 40))


def draw_dog(sprite: Sprite, rng: np.random.Generator) -> Finish:
    """Paint a dog, standing or sitting: floppy or pointed ears, slim or bushy tail, perhaps a collar."""
    base = coat(rng, ["white", "cream", "tan", "brown", "chocolate", "black", "grey", "golden"])
    spots = coat(rng, ["black", "chocolate", "brown"] if is_light(base) else ["white", "tan", "cream"])
    pose = _sitting if rng.random() < 0.22 else _standing
    pose(sprite, rng, base, spots)
    spotted = rng.random() < 0.45
    return Finish("fur", 0.2, markings=spots if spotted else None, patch_threshold=rng.uniform(0.5, 0.62))


def _standing(sprite: Sprite, rng: np.random.Generator, base: np.ndarray, spots: np.ndarray) -> None:
    length = rng.uniform(0.85, 1.12)
    leg = 0.46 * rng.uniform(0.62, 0.95)
    lift = leg - 0.46
    stretch, up = (length, 1.0), (0.0, lift)
    hip, shoulder = -0.36 * length, 0.32 * length
    paw = base if rng.random() < 0.5 else spots

    hips = [hip + 0.1, shoulder - 0.09]
    draw_legs(
        sprite, rng, hips, leg, (0.06, 0.04), base, shade(paw, 0.9), far=True, swing=0.5, hoof_height=0.04
    )
    _tail(sprite, rng, np.array([-0.42 * length, 0.78 + lift]), rng.uniform(-0.36, 0.36), base)
    belly = [(-0.46, 0.80), (-0.47, 0.62), (-0.34, 0.53), (-0.1, 0.57), (0.12, 0.46), (0.34, 0.40)]
    back = [(0.48, 0.56), (0.47, 0.78), (0.3, 0.87), (0.0, 0.81), (-0.28, 0.85)]
    sprite.outline(np.array([*belly, *back]) * stretch + up, base, coat=True)
    _head(sprite, rng, np.array([0.38 * length, 0.74 + lift]), base, spots)
    hips = [hip, shoulder]
    draw_legs(sprite, rng, hips, leg, (0.075, 0.046), base, paw, far=False, swing=0.5, hoof_height=0.04)
    sprite.ellipse((hip + 0.01, leg + 0.14), (0.12, 0.16), base, coat=True)


def _sitting(sprite: Sprite, rng: np.random.Generator, base: np.ndarray, spots: np.ndarray) -> None:
    tall = rng.uniform(0.9, 1.1)
    stretch = (1.0, tall)
    _tail(sprite, rng, np.array([-0.36, 0.10]), rng.uniform(0.5, 1.1), base)
    sprite.limb(
        [(0.20, 0.5 * tall), (0.24, 0.25), (0.25, 0.0)], [0.07, 0.05, 0.045], shade(base, 0.72), coat=True
    )
    chest = [(0.10, 0.86), (0.27, 0.74), (0.30, 0.52), (0.18, 0.26), (-0.02, 0.06)]
    back = [(-0.30, -0.03), (-0.43, 0.10), (-0.44, 0.28), (-0.30, 0.54), (-0.10, 0.78)]
    sprite.outline(np.array([*chest, *back]) * stretch, base, coat=True)
    _head(sprite, rng, np.array([0.10, 0.80 * tall]), base, spots)
    sprite.ellipse((-0.20, 0.19), (0.22, 0.20), shade(base, 0.93), coat=True)
    sprite.ellipse((-0.02, 0.0), (0.15, 0.05), shade(base, 0.9), coat=True)
    sprite.limb([(0.15, 0.52 * tall), (0.17, 0.25), (0.17, 0.0)], [0.08, 0.055, 0.05], base, coat=True)
    sprite.ellipse((0.21, -0.01), (0.09, 0.04), base if rng.random() < 0.5 else spots)


def _tail(sprite: Sprite, rng: np.random.Generator, root: np.ndarray, droop: float, base: np.ndarray) -> None:
    """Curled over the back or stretched out, slim or bushy; `droop` turns it backwards."""
    curl = rng.choice([-1, 1]) * 0.07
    line = root + np.array([(0, 0), (-0.14, 0.10), (-0.22, 0.24), (-0.20 + curl, 0.37)])
    widths = [0.045, 0.07, 0.075, 0.02] if rng.random() < 0.35 else [0.045, 0.045, 0.04, 0.015]
    sprite.limb(rotate(line, droop, root), widths, base, coat=True)


def _head(
    sprite: Sprite, rng: np.random.Generator, shoulder: np.ndarray, base: np.ndarray, spots: np.ndarray
) -> None:
    angle = rng.uniform(-0.5, 0.35)
    neck = Joint(shoulder, angle)
    nape = [(-0.12, 0.08), (0.03, 0.20), (0.14, 0.27), (0.28, 0.16), (0.20, -0.02), (0.07, -0.18)]
    sprite.outline(neck(nape), base, coat=True)
    head = Joint(neck.at(0.19, 0.22), angle + rng.uniform(-0.35, 0.15))
    pointed = rng.random() < 0.45
    snout = rng.uniform(0.85, 1.2)
    if pointed:
        sprite.polygon(head([(-0.11, 0.10), (-0.08, 0.31), (0.05, 0.12)]), shade(base, 0.75))
    sprite.ellipse(head.position, (0.175, 0.16), base, coat=True)
    muzzle = [
        (0.08, 0.08),
        (0.17, 0.045),
        (0.32 * snout, 0.02),
        (0.345 * snout, -0.05),
        (0.28 * snout, -0.11),
    ]
    sprite.outline(head([*muzzle, (0.05, -0.14)]), base, coat=True)
    sprite.ellipse(head.at(0.33 * snout, 0.01), 0.04, NOSE)
    sprite.ellipse(head.at(0.08, 0.06), 0.027, EYE)
    if rng.random() < 0.35:
        sprite.polygon(head([(0.17, -0.10), (0.25, -0.11), (0.26, -0.21), (0.20, -0.21)]), TONGUE)
    if pointed:
        sprite.polygon(head([(-0.06, 0.11), (0.0, 0.33), (0.10, 0.10)]), shade(base, 0.86))
    else:
        flap = [(-0.09, 0.14), (0.02, 0.12), (0.03, -0.07), (-0.05, -0.20), (-0.14, -0.10)]
        sprite.outline(head(flap), shade(spots if rng.random() < 0.5 else base, 0.75))
    if rng.random() < 0.5:
        sprite.limb(neck([(0.0, 0.19), (0.20, 0.0)]), [0.03, 0.03], COLLARS[rng.integers(len(COLLARS))])
