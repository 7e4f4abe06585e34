"""The landscape behind the objects: sky, hills, ground, sometimes a pond; with a map of what is where."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from detseg.data.farm.classes import STUFF
from detseg.data.farm.noise import noise
from detseg.data.farm.outlines import smooth_curve, unit_circle
from detseg.data.farm.palette import Colour, vary

SKIES = (  # (colour at the top, colour at the horizon), probability
    (((96, 152, 214), (200, 222, 236)), 0.32),
    (((70, 120, 190), (170, 205, 230)), 0.28),
    (((150, 160, 172), (205, 208, 210)), 0.20),
    (((226, 140, 96), (248, 214, 160)), 0.12),
    (((110, 100, 150), (240, 178, 150)), 0.08),
)
GROUNDS = (  # colour, what it is, probability
    ((88, 138, 56), "grass", 0.26),
    ((112, 150, 66), "grass", 0.22),
    ((70, 112, 50), "grass", 0.16),
    ((150, 148, 78), "grass", 0.12),
    ((176, 160, 96), "grass", 0.10),
    ((128, 96, 64), "dirt", 0.07),
    ((214, 216, 220), "snow", 0.07),
)
BARE_PATCHES = ((150, 148, 78), (176, 160, 96), (128, 96, 64), (70, 112, 50))


class Landscape:
    """A picture and its stuff map, drawn in step. Pixel coordinates, y down."""

    def __init__(
        self, colour: np.ndarray, stuff: np.ndarray, horizon: int, ground: np.ndarray, haze: np.ndarray
    ):
        """`colour` float [H, W, 3], `stuff` uint8 [H, W]; `ground` and `haze` are the colours near and far."""
        self.height, self.width = stuff.shape
        self.horizon, self.ground, self.haze = horizon, ground, haze
        self.picture = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
        self.stuff = Image.fromarray(stuff)
        self._draw, self._draw_stuff = ImageDraw.Draw(self.picture), ImageDraw.Draw(self.stuff)

    def polygon(self, points: np.ndarray | Sequence[tuple[float, float]], colour: Colour, stuff: str) -> None:
        """Fill a polygon with corners (x, y)."""
        self._draw.polygon(np.asarray(points, np.float32).ravel().tolist(), fill=_rgb(colour))
        self.mark(points, stuff)

    def mark(self, points: np.ndarray | Sequence[tuple[float, float]], stuff: str) -> None:
        """Fill a polygon in the stuff map only."""
        self._draw_stuff.polygon(np.asarray(points, np.float32).ravel().tolist(), fill=STUFF.index(stuff))

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour, stuff: str) -> None:
        """Fill an ellipse around (x, y)."""
        box = (x - rx, y - ry, x + rx, y + ry)
        self._draw.ellipse(box, fill=_rgb(colour))
        self._draw_stuff.ellipse(box, fill=STUFF.index(stuff))

    def ring(self, x: float, y: float, radius: float, colour: Colour, width: float) -> None:
        """Draw a circle's line; the stuff map stays."""
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, outline=_rgb(colour), width=max(1, int(width)))

    def rectangle(self, x1: float, y1: float, x2: float, y2: float, colour: Colour, stuff: str) -> None:
        """Fill a rectangle."""
        self._draw.rectangle((x1, y1, x2, y2), fill=_rgb(colour))
        self._draw_stuff.rectangle((x1, y1, x2, y2), fill=STUFF.index(stuff))

    def stroke(self, x1: float, y1: float, x2: float, y2: float, colour: Colour, width: float) -> None:
        """Draw a line too thin to count as stuff."""
        self._draw.line((x1, y1, x2, y2), fill=_rgb(colour), width=max(1, int(width)))

    def blossom(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw a dot too small to count as stuff."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_rgb(colour))

    def blend(self, colour: np.ndarray, amount: np.ndarray) -> None:
        """Mix `colour` [H, W, 3] into the picture by `amount` [H, W] in 0..1."""
        pixels = np.asarray(self.picture, np.float32)
        pixels = pixels + (colour - pixels) * amount[..., None]
        self.picture.paste(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))

    def finished(self, rng: np.random.Generator) -> np.ndarray:
        """The picture with a rough surface on what is drawn flat: float32 [H, W, 3]."""
        rough = [0.5 * (name in ("hill", "tree", "building", "clutter")) for name in STUFF]
        roughness = np.array(rough, np.float32)[np.asarray(self.stuff)]  # [H, W]
        texture = (noise(rng, "fine", self.height, self.width, 0.9) - 0.5) * roughness  # [H, W]
        return np.asarray(self.picture, np.float32) * (1 + texture)[..., None]


def _rgb(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (min(max(int(c), 0), 255) for c in colour)
    return red, green, blue


def draw_background(rng: np.random.Generator, height: int, width: int) -> Landscape:
    """A random landscape of the given size in pixels."""
    horizon = int(height * rng.uniform(0.16, 0.46))
    sky, haze = _sky(rng, horizon, width, scale=height / 256)
    kind = rng.choice(len(GROUNDS), p=[g[2] for g in GROUNDS])
    colour, stuff_name, _ = GROUNDS[kind]
    ground_colour = vary(rng, colour, 18)
    far_colour = 0.5 * haze + 0.5 * ground_colour
    ground = _ground(rng, height - horizon, width, height / 256, ground_colour, far_colour)
    stuff = np.full((height, width), STUFF.index(stuff_name), np.uint8)
    stuff[:horizon] = STUFF.index("sky")
    land = Landscape(np.concatenate([sky, ground]), stuff, horizon, ground_colour, haze)
    _hills(rng, land, far_colour)
    if rng.random() < 0.28:
        _pond(rng, land)
    return land


def _sky(rng: np.random.Generator, height: int, width: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """A gradient with clouds: float32 [height, width, 3], and its colour at the horizon."""
    top, bottom = np.asarray(SKIES[rng.choice(len(SKIES), p=[p for _, p in SKIES])][0], np.float32)
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 0.8
    gradient = top * (1 - t) + bottom * t  # [height, 1, 3]
    clouds = noise(rng, "coarse", height, width, scale * 1.6, scale * 0.8)
    amount = np.clip((clouds - rng.uniform(0.42, 0.62)) * 5, 0, 0.85)[..., None]
    return gradient + (np.minimum(bottom * 1.12, 252) - gradient) * amount, bottom


def _ground(
    rng: np.random.Generator,
    height: int,
    width: int,
    scale: float,
    near: np.ndarray,
    far: np.ndarray,
) -> np.ndarray:
    """Two scales of noise over a colour that fades towards the horizon: float32 [height, width, 3]."""
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None]  # 0 at the horizon
    clumps = noise(rng, "coarse", height, width, scale * 1.6, scale * 0.9)
    blades = noise(rng, "fine", height, width, scale * 0.9, scale * 0.6)
    factor = (1 + (clumps - 0.5) * 0.55 + (blades - 0.5) * (0.35 + 0.75 * depth))[..., None]
    nearness = (0.25 + 0.75 * np.sqrt(depth))[..., None]
    colour = far + (near - far) * nearness  # [height, 1, 3]
    if rng.random() < 0.45:
        bare = vary(rng, BARE_PATCHES[rng.integers(len(BARE_PATCHES))], 14)
        patches = noise(rng, "coarse", height, width, scale * 2.5, scale * 1.2)
        amount = np.clip((patches - rng.uniform(0.5, 0.62)) * 9, 0, 0.8)[..., None]
        colour = colour + (bare - colour) * amount
    return colour * factor


def _hills(rng: np.random.Generator, land: Landscape, far_colour: np.ndarray) -> None:
    """Up to two ridges on the horizon, the nearer one lower and darker."""
    x = np.linspace(0, land.width, 40)
    for ridge in range(rng.integers(0, 3)):
        rise = rng.uniform(0.02, 0.10) * land.height * (1 if ridge == 0 else 0.6)
        t = x / land.width
        waves = 0.5 * np.sin(t * rng.uniform(2, 9) + rng.random() * 6) + 0.15 * np.sin(
            t * rng.uniform(12, 25)
        )
        crest = np.stack([x, land.horizon - rise * (0.6 + waves)], axis=1)
        foot = [(land.width, land.horizon + 2), (0, land.horizon + 2)]
        colour = far_colour * (0.62 - 0.16 * ridge) * 0.8 + np.asarray((60, 96, 70)) * 0.3
        land.polygon(np.concatenate([crest, foot]), colour, "hill")


def _pond(rng: np.random.Generator, land: Landscape) -> None:
    """Water with horizontal ripples in the colour of the sky."""
    height, width = land.height, land.width
    centre = (rng.uniform(0, width), rng.uniform(land.horizon + 0.12 * height, 0.9 * height))
    radii = (rng.uniform(0.25, 0.6) * width, rng.uniform(0.05, 0.12) * height)
    t = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    wobble = np.stack([1 + 0.12 * np.sin(3 * t + 1), 1 + 0.15 * np.sin(2 * t)], axis=1)
    shore = smooth_curve(unit_circle(26) * wobble * radii + centre, steps=3)
    land.mark(shore, "water")
    ripples = noise(rng, "fine", height, width, height / 256 * 3, height / 256 * 0.35)
    water = (land.haze * 0.55 + np.asarray((40, 80, 110), np.float32) * 0.45) * (
        0.75 + 0.5 * ripples[..., None]
    )
    is_water = np.asarray(land.stuff) == STUFF.index("water")
    land.blend(water, is_water * np.float32(0.92))
