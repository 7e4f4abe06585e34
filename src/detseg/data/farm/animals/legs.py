"""Legs with a knee and a hoof, for all four animals."""

from collections.abc import Sequence

import numpy as np

from detseg.data.farm.palette import Colour, shade
from detseg.data.farm.sprite import Sprite


def draw_legs(
    sprite: Sprite,
    rng: np.random.Generator,
    hips: Sequence[float],
    length: float,
    widths: tuple[float, float],
    colour: Colour,
    hoof: Colour,
    *,
    far: bool,
    swing: float = 0.28,
    coat: bool = True,
    hoof_height: float = 0.05,
) -> None:
    """One leg below each hip (x positions), swung at random; legs on the far side are darker.

    `widths` are half the width at the hip and at the foot; `swing` is the spread of the hip's angle.
    """
    upper, lower = widths
    colour = shade(colour, 0.72) if far else colour
    hoof = shade(hoof, 0.8) if far else hoof
    for x in hips:
        hip_angle = rng.normal(0, swing) * 0.6
        knee_angle = hip_angle * 0.3 + rng.normal(0, 0.08)
        knee = np.array([x + np.sin(hip_angle) * length * 0.5, length * 0.52])
        foot = np.array([knee[0] + np.sin(knee_angle) * length * 0.5, hoof_height])
        sprite.limb([(x, length * 1.05), knee, foot], [upper, lower * 1.1, lower], colour, coat)
        sole = [
            (-1.15 * lower, 0.02),
            (1.15 * lower, 0.02),
            (1.5 * lower, -hoof_height),
            (-1.2 * lower, -hoof_height),
        ]
        sprite.polygon(foot + np.array(sole), hoof)
