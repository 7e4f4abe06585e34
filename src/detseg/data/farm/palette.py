"""Colours, as float arrays of red, green, blue in 0..255. The four animals share one palette, so shape must decide."""

from collections.abc import Sequence

import numpy as np

COATS = {
    "white": (236, 232, 222),
    "cream": (222, 200, 162),
    "tan": (188, 146, 96),
    "brown": (122, 78, 46),
    "chocolate": (78, 50, 34),
    "black": (42, 40, 42),
    "grey": (138, 136, 134),
    "red": (150, 82, 44),
    "golden": (206, 158, 84),
}
CLOTHES = (
    (190, 50, 48),
    (50, 80, 170),
    (60, 130, 70),
    (225, 190, 60),
    (230, 228, 222),
    (110, 110, 60),
    (60, 60, 66),
    (140, 80, 150),
    (70, 150, 160),
)
SKIN = ((236, 194, 164), (198, 146, 108), (140, 94, 66), (92, 62, 46))
HAIR = ((40, 32, 28), (100, 64, 36), (200, 160, 90), (150, 146, 142), (140, 60, 30))
EYE = (18, 14, 14)

Colour = Sequence[float] | np.ndarray


def vary(rng: np.random.Generator, colour: Colour, amount: float = 12) -> np.ndarray:
    """A colour near the given one: brightness and tint move by about half of `amount` each."""
    shift = rng.normal(0, amount * 0.5) + rng.normal(0, amount * 0.4, 3)
    return np.clip(np.asarray(colour) + shift, 8, 250).astype(np.float32)


def one_of(rng: np.random.Generator, colours: Sequence[Colour], amount: float = 12) -> np.ndarray:
    """A variation of one of the colours."""
    return vary(rng, colours[int(rng.integers(len(colours)))], amount)


def coat(
    rng: np.random.Generator, names: Sequence[str], weights: Sequence[float] | None = None
) -> np.ndarray:
    """A variation of one of the named coat colours, drawn with the given weights (sum 1)."""
    return vary(rng, COATS[names[rng.choice(len(names), p=weights)]])


def shade(colour: Colour, factor: float) -> np.ndarray:
    """The colour, darkened (factor < 1) or lightened."""
    return np.clip(np.asarray(colour, np.float32) * factor, 0, 255)


def is_light(colour: Colour) -> bool:
    """Whether dark markings stand out on the colour."""
    return float(np.mean(colour)) > 120
