"""The painter's canvas: flat shapes in body coordinates (ground at y = 0, y up, facing right)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from detseg.data.farm.outlines import Points, rotate, smooth_curve, unit_circle
from detseg.data.farm.palette import Colour

LEFT, RIGHT, BOTTOM, TOP = -1.25, 1.35, -0.08, 1.75

PLAIN, COAT = 128, 255
"""Alpha of a painted pixel: covered, or covered by a part that the pattern and the fleece may mark."""


@dataclass(frozen=True)
class Finish:
    """How a flat figure is textured: asked for by the drawing function, applied by `shading.render`."""

    texture: str = "fur"
    strength: float = 0.1
    markings: np.ndarray | None = None
    """Colour of the patches or stripes on the coat; None for a plain one."""
    striped: bool = False
    patch_threshold: float = 0.5
    """Noise above it becomes a patch: higher means fewer patches."""


class Sprite:
    """A figure being painted: RGBA, where alpha tells uncovered (0), PLAIN and COAT apart."""

    def __init__(self, unit: float, flip: bool = False, tilt: float = 0.0) -> None:
        """`unit` pixels to one unit of body coordinates; `tilt` turns the whole figure around its feet."""
        self.unit, self.flip, self.tilt = unit, flip, tilt
        self.width = int((RIGHT - LEFT) * unit) + 2
        self.height = int((TOP - BOTTOM) * unit) + 2
        self.picture = Image.new("RGBA", (self.width, self.height))
        self._draw = ImageDraw.Draw(self.picture)

    def polygon(self, points: Points, colour: Colour, coat: bool = False) -> None:
        """Fill the polygon through the points."""
        p = np.asarray(points, np.float32)
        if self.tilt:
            p = rotate(p, self.tilt)
        x = (p[:, 0] - LEFT) * self.unit
        if self.flip:
            x = self.width - x
        y = (TOP - p[:, 1]) * self.unit
        corners = np.stack([x, y], axis=1).ravel().tolist()
        fill = (int(colour[0]), int(colour[1]), int(colour[2]), COAT if coat else PLAIN)
        self._draw.polygon(corners, fill=fill)

    def outline(self, points: Points, colour: Colour, coat: bool = False) -> None:
        """Fill the smooth closed curve through the points."""
        self.polygon(smooth_curve(points), colour, coat)

    def ellipse(
        self,
        centre: Sequence[float] | np.ndarray,
        radii: float | tuple[float, float],
        colour: Colour,
        coat: bool = False,
        angle: float = 0.0,
        corners: int = 14,
    ) -> None:
        """Fill an ellipse turned by `angle`."""
        points = unit_circle(corners) * np.asarray(radii, np.float32)
        if angle:
            points = rotate(points, angle)
        self.polygon(points + np.asarray(centre, np.float32), colour, coat)

    def limb(self, points: Points, widths: Sequence[float], colour: Colour, coat: bool = False) -> None:
        """A tapered line through the points, `widths` to each side, with round joints."""
        p = np.asarray(points, np.float32)
        w = np.asarray(widths, np.float32)[:, None]
        along = p[1:] - p[:-1]
        across = along[:, ::-1] * (-1, 1) / (np.hypot(along[:, :1], along[:, 1:]) + 1e-6)
        starts, ends = across * w[:-1], across * w[1:]
        for i in range(len(along)):
            quad = [p[i] + starts[i], p[i + 1] + ends[i], p[i + 1] - ends[i], p[i] - starts[i]]
            self.polygon(quad, colour, coat)
        for joint, width in zip(p, widths, strict=True):
            self.ellipse(joint, width, colour, coat, corners=10)
