"""Outlines as point lists float32 [N, 2] (x right, y up): smooth curves, rotation, placing."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

Points = Sequence[Sequence[float] | np.ndarray] | np.ndarray


@lru_cache(maxsize=4)
def _catmull_rom_weights(steps: int) -> np.ndarray:
    """Weights [steps, 4] of the points before, at, after and two after, along one piece of the curve."""
    t = np.arange(steps, dtype=np.float32) / steps
    weights = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    return (0.5 * np.stack(weights, axis=1)).astype(np.float32)


def smooth_curve(points: Points, steps: int = 6) -> np.ndarray:
    """The closed Catmull-Rom spline through the points: float32 [N * steps, 2]."""
    p = np.asarray(points, np.float32)
    n = len(p)
    ring = np.concatenate([p[-1:], p, p[:2]])  # [N + 3, 2]
    around = np.stack([ring[k : k + n] for k in range(4)], axis=1)  # [N, 4, 2]
    return np.matmul(_catmull_rom_weights(steps), around).reshape(-1, 2)  # [N * steps, 2]


def rotate(points: Points, angle: float, pivot: Sequence[float] | np.ndarray = (0.0, 0.0)) -> np.ndarray:
    """The points turned counter-clockwise by `angle` (radians) around `pivot`."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]], np.float32)
    centre = np.asarray(pivot, np.float32)
    return (np.asarray(points, np.float32) - centre) @ turn + centre


class Joint:
    """A place where a part is attached, turned by an angle: `joint(points)` moves part coordinates to the body's."""

    def __init__(self, position: Sequence[float] | np.ndarray, angle: float) -> None:
        """`position` is (x, y) in body coordinates, `angle` in radians."""
        self.position = np.asarray(position, np.float32)
        self.angle = angle

    def __call__(self, points: Points) -> np.ndarray:
        """Part coordinates [N, 2] -> body coordinates [N, 2]."""
        return rotate(points, self.angle) + self.position

    def at(self, x: float, y: float) -> np.ndarray:
        """One point of the part, in body coordinates."""
        return self([(x, y)])[0]


@lru_cache(maxsize=8)
def unit_circle(corners: int) -> np.ndarray:
    """Corners of a regular polygon on the unit circle: float32 [corners, 2]."""
    t = np.arange(corners, dtype=np.float32) * (2 * np.pi / corners)
    return np.stack([np.cos(t), np.sin(t)], axis=1).astype(np.float32)
