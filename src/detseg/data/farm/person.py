"""Person: upright, in trousers or a skirt, with or without a hat, perhaps waving."""

import numpy as np

from detseg.data.farm.palette import CLOTHES, EYE, HAIR, SKIN, Colour, one_of, shade
from detseg.data.farm.sprite import Finish, Sprite

SHOE = (52, 40, 34)


def draw_person(sprite: Sprite, rng: np.random.Generator) -> Finish:
    """Paint a person in mid-step."""
    skin, hair = one_of(rng, SKIN, 8), one_of(rng, HAIR, 8)
    shirt, trousers = one_of(rng, CLOTHES, 16), one_of(rng, CLOTHES, 16)
    height = 1.5 * rng.uniform(0.9, 1.08)
    hip, shoulder, waist = 0.47 * height, 0.80 * height, rng.uniform(0.105, 0.14)
    stride = rng.normal(0, 0.28)
    skirt, waving, striped = rng.random() < 0.25, rng.random() < 0.25, rng.random() < 0.4

    _arm(sprite, rng, (-waist * 0.75, shoulder - 0.05), height, shade(shirt, 0.75), skin, raised=False)
    _leg(sprite, -1, stride, hip, shade(skin if skirt else trousers, 0.75))
    _leg(sprite, 1, stride, hip, skin if skirt else trousers)
    if skirt:
        hem = hip * 0.55
        flare = [(-waist, hip + 0.1), (waist, hip + 0.1), (waist * 1.7, hem), (-waist * 1.7, hem)]
        sprite.polygon(flare, trousers)
    right = [
        (0.05, shoulder + 0.03),
        (waist * 1.15, shoulder - 0.05),
        (waist, hip + 0.15),
        (waist * 0.85, hip - 0.02),
    ]
    left = [(-x, y) for x, y in reversed(right)]
    sprite.polygon(left + right, shirt, coat=striped)
    sprite.limb([(0, shoulder), (0.01, shoulder + 0.09)], [0.045, 0.045], shade(skin, 0.85))
    _head(sprite, rng, np.array([0.02, shoulder + 0.19]), skin, hair)
    _arm(sprite, rng, (waist * 0.75, shoulder - 0.05), height, shade(shirt, 0.9), skin, raised=waving)
    return Finish("fur", 0.12, markings=one_of(rng, CLOTHES, 16), striped=True)


def _leg(sprite: Sprite, side: int, stride: float, hip: float, colour: Colour) -> None:
    swing = side * stride
    knee = np.array([side * 0.05 + np.sin(swing) * hip * 0.5, hip * 0.5])
    foot = np.array([knee[0] + np.sin(swing * 0.5 - abs(stride) * 0.2) * hip * 0.5, 0.05])
    sprite.limb([(side * 0.05, hip + 0.03), knee, foot], [0.075, 0.06, 0.045], colour)
    sprite.polygon(
        foot + np.array([(-0.06, 0.02), (0.04, 0.03), (0.13, -0.03), (0.12, -0.05), (-0.06, -0.05)]), SHOE
    )


def _arm(
    sprite: Sprite,
    rng: np.random.Generator,
    shoulder: tuple[float, float],
    height: float,
    sleeve: Colour,
    skin: Colour,
    *,
    raised: bool,
) -> None:
    upper = rng.uniform(1.4, 2.6) if raised else rng.normal(0, 0.5)  # angle from hanging down
    lower = upper + rng.uniform(0, 0.8)
    elbow = shoulder + 0.18 * height * np.array([np.sin(upper), -np.cos(upper)])
    hand = elbow + 0.16 * height * np.array([np.sin(lower), -np.cos(lower)])
    sprite.limb([shoulder, elbow], [0.05, 0.042], sleeve)
    sprite.limb([elbow, hand], [0.04, 0.032], sleeve if rng.random() < 0.6 else skin)
    sprite.ellipse(hand, 0.042, skin)


def _head(sprite: Sprite, rng: np.random.Generator, centre: np.ndarray, skin: Colour, hair: Colour) -> None:
    def around(*points: tuple[float, float]) -> np.ndarray:
        return np.array(points) + centre

    if rng.random() < 0.4:
        sprite.ellipse(around((-0.05, -0.06))[0], (0.10, 0.17), hair)  # long hair
    sprite.ellipse(centre, (0.09, 0.115), skin)
    sprite.ellipse(around((0.05, 0.015))[0], 0.014, EYE)
    if rng.random() < 0.15:
        sprite.outline(
            around((-0.05, -0.03), (0.03, -0.05), (0.09, -0.04), (0.06, -0.13), (-0.01, -0.12)), hair
        )
    crown = around((-0.02, 0.14), (0.08, 0.10), (0.09, 0.05), (0.0, 0.06), (-0.04, 0.0))
    temple = around((-0.05, -0.06), (-0.10, -0.04), (-0.11, 0.07))
    sprite.outline([*crown, *temple], hair)
    if rng.random() < 0.35:
        hat = one_of(rng, CLOTHES, 14)
        sprite.ellipse(around((0.01, 0.06))[0], (0.17, 0.03), hat)
        sprite.polygon(around((-0.09, 0.06), (-0.08, 0.16), (0.08, 0.16), (0.09, 0.06)), hat)
