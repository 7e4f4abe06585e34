"""Selective search: object proposals by grouping similar regions (Uijlings et al. 2013).

Neighbouring regions of a graph segmentation are merged, most similar first, until one is left; every region
met on the way gives one box. Several colour spaces, starting segmentations and similarities make the set
diverse (section 4 of the paper). Simplified here: the texture is a histogram of the grey gradient, not of each
colour channel's.
"""

import heapq
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detseg.proposals.graph_segmentation import graph_segmentation

COLOUR_BINS = 25  # per channel, as in the paper
ORIENTATIONS, MAGNITUDES = 8, 10


def selective_search(
    image: np.ndarray | Tensor,
    scales: tuple[float, ...] = (80.0, 200.0),
    colour_spaces: tuple[str, ...] = ("YCbCr", "HSV"),
    similarities: tuple[str, ...] = ("CTSF", "SF"),
    limit: int = 2000,
    min_side: float = 8.0,
    seed: int = 0,
) -> Tensor:
    """Propose boxes that may hold an object, whatever its class.

    Args:
        image: uint8 RGB, an array ``[H, W, 3]`` or a tensor ``[3, H, W]``.
        scales: of the starting segmentations; one hierarchy is grown for each scale, colour space and similarity.
        colour_spaces: modes of PIL with three channels.
        similarities: which measures are added up: colour, texture, size, fill. Without the first two, parts of
            one object that look different, such as shirt and trousers, find each other.
        limit: at most so many boxes.
        min_side: boxes with a shorter side (pixels) are left out.
        seed: of the ranking, which is random within the hierarchy (section 4.4).

    Returns:
        float32 ``[P, 4]`` boxes (x1, y1, x2, y2), best first, no box twice; ``[0, 4]`` for an image smaller
        than ``min_side``.

    Raises:
        TypeError, ValueError: the image is not uint8, not RGB, or has no pixels; a scale that is not positive, a
            similarity of other letters, a negative limit.
    """
    pixels = as_array(image)
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    generator = np.random.default_rng(seed)
    boxes, priorities = [], []
    for space in colour_spaces:
        converted = np.asarray(Image.fromarray(pixels).convert(space))
        for scale in scales:
            segments = graph_segmentation(converted, scale)
            for similarity in similarities:
                hierarchy = group_regions(converted, segments, similarity)
                # The last merge, often an object or a scene, ranks 1; the random factor mixes the levels.
                rank = np.arange(len(hierarchy), 0, -1)
                boxes.append(hierarchy)
                priorities.append(rank * generator.random(len(hierarchy)))
    ranked = np.concatenate(boxes)[np.argsort(np.concatenate(priorities), kind="stable")]
    ranked = ranked[(ranked[:, 2:] - ranked[:, :2]).min(axis=1) >= min_side]
    _, first_seen = np.unique(ranked, axis=0, return_index=True)
    return torch.from_numpy(ranked[np.sort(first_seen)][:limit])  # [P, 4]


def group_regions(image: np.ndarray, segments: np.ndarray, similarity: str = "CTSF") -> np.ndarray:
    """Merge the most similar neighbours until one region is left (algorithm 1 of the paper).

    Args:
        image: uint8 ``[H, W, 3]`` in the colour space that similarity is judged in.
        segments: int ``[H, W]``, numbered from 0.
        similarity: letters of the measures to add up, of ``C T S F``.

    Returns:
        float32 ``[2 n - 1, 4]``: boxes of the n segments, then of each merge in order.
    """
    if not similarity or set(similarity) - set("CTSF"):
        raise ValueError(
            f"a similarity is made of the letters C, T, S, F (colour, texture, size, fill), got {similarity!r}"
        )
    regions = _Regions.of(image, segments, similarity)
    count = int(segments.max()) + 1
    neighbours = _neighbours(segments)
    queue: list[tuple[float, int, int]] = []  # most similar pair on top; the heap keeps the smallest
    for region, others in enumerate(neighbours):
        _push(queue, regions, region, [other for other in others if other > region])

    merged = [False] * (2 * count - 1)
    new = count
    while queue:
        _, a, b = heapq.heappop(queue)
        if merged[a] or merged[b]:
            continue  # one of them has been swallowed since
        merged[a] = merged[b] = True
        regions.merge(a, b, into=new)
        around = (neighbours[a] | neighbours[b]) - {a, b}
        for other in around:
            neighbours[other] -= {a, b}
            neighbours[other].add(new)
        neighbours.append(around)
        _push(queue, regions, new, list(around))
        new += 1
    return regions.boxes[:new]


@dataclass
class _Regions:
    """What similarity needs to know of every region: one row for each segment, and one for each merge to come."""

    colour: np.ndarray  # [2n - 1, 75], sums to 1
    texture: np.ndarray  # [2n - 1, 80], sums to 1
    size: np.ndarray  # [2n - 1], pixels
    boxes: np.ndarray  # [2n - 1, 4]
    image_area: int
    measures: str

    @classmethod
    def of(cls, image: np.ndarray, segments: np.ndarray, measures: str) -> "_Regions":
        """Measure the starting segments."""
        flat = segments.ravel()
        count = int(flat.max()) + 1
        size = np.bincount(flat, minlength=count)

        def histogram(bins: np.ndarray, total: int) -> np.ndarray:
            """Normalised histogram of each segment; ``bins`` is [number of features, pixels]."""
            counts = np.bincount((flat * total + bins).ravel(), minlength=count * total)
            return counts.reshape(count, total) / (len(bins) * size[:, None])

        channels = image.reshape(-1, 3).T.astype(np.int64)  # [3, pixels]
        colour_bins = channels * COLOUR_BINS // 256 + COLOUR_BINS * np.arange(3)[:, None]
        colour = histogram(colour_bins, 3 * COLOUR_BINS)
        texture = histogram(_gradient_bins(image).reshape(1, -1), ORIENTATIONS * MAGNITUDES)

        row, column = np.divmod(np.arange(flat.size), segments.shape[1])
        boxes = np.zeros((count, 4))
        boxes[:, :2] = np.inf
        np.minimum.at(boxes[:, 0], flat, column)
        np.minimum.at(boxes[:, 1], flat, row)
        np.maximum.at(boxes[:, 2], flat, column + 1)
        np.maximum.at(boxes[:, 3], flat, row + 1)

        def with_room(rows: np.ndarray) -> np.ndarray:
            """Rows for the n - 1 merges to come."""
            return np.concatenate([rows, np.zeros((count - 1, *rows.shape[1:]))]).astype(np.float32)

        return cls(
            with_room(colour), with_room(texture), with_room(size), with_room(boxes), segments.size, measures
        )

    def merge(self, a: int, b: int, into: int) -> None:
        """Row ``into`` becomes the union; histograms are means weighted by size, so no pixel is read again."""
        size_a, size_b = self.size[a], self.size[b]
        self.size[into] = size_a + size_b
        self.colour[into] = (self.colour[a] * size_a + self.colour[b] * size_b) / (size_a + size_b)
        self.texture[into] = (self.texture[a] * size_a + self.texture[b] * size_b) / (size_a + size_b)
        self.boxes[into, :2] = np.minimum(self.boxes[a, :2], self.boxes[b, :2])
        self.boxes[into, 2:] = np.maximum(self.boxes[a, 2:], self.boxes[b, 2:])

    def similarity(self, region: int, others: list[int]) -> np.ndarray:
        """The sum of the chosen measures, each at most 1 (equations 2 to 6)."""
        total = np.zeros(len(others), np.float32)
        sizes = self.size[region] + self.size[others]
        if "C" in self.measures:
            total += np.minimum(self.colour[region], self.colour[others]).sum(1)
        if "T" in self.measures:
            total += np.minimum(self.texture[region], self.texture[others]).sum(1)
        if "S" in self.measures:
            total += 1 - sizes / self.image_area
        if "F" in self.measures:
            low = np.minimum(self.boxes[region, :2], self.boxes[others, :2])
            high = np.maximum(self.boxes[region, 2:], self.boxes[others, 2:])
            empty = (high - low).prod(1) - sizes  # of the common box, what neither region covers
            total += 1 - empty / self.image_area
        return total


def _push(queue: list[tuple[float, int, int]], regions: _Regions, region: int, others: list[int]) -> None:
    """Queue the pairs of a region with each of the others."""
    if others:
        for similarity, other in zip(regions.similarity(region, others).tolist(), others, strict=True):
            heapq.heappush(queue, (-similarity, region, other))


def _gradient_bins(image: np.ndarray) -> np.ndarray:
    """The texture bin of each pixel: orientation of the grey gradient (8) by its strength (10)."""
    grey = np.pad(image.mean(axis=2), 1, mode="edge")
    down = (grey[2:, 1:-1] - grey[:-2, 1:-1]) / 2
    right = (grey[1:-1, 2:] - grey[1:-1, :-2]) / 2
    magnitude = np.minimum(np.hypot(right, down) / 6, MAGNITUDES - 1).astype(np.int64)  # 6 grey levels a bin
    turn = (np.arctan2(down, right) / (2 * np.pi)) % 1.0
    orientation = np.minimum((turn * ORIENTATIONS).astype(np.int64), ORIENTATIONS - 1)
    return orientation * MAGNITUDES + magnitude


def _neighbours(segments: np.ndarray) -> list[set[int]]:
    """The segments that touch each segment along a side."""
    neighbours: list[set[int]] = [set() for _ in range(int(segments.max()) + 1)]
    for a, b in ((segments[:, 1:], segments[:, :-1]), (segments[1:], segments[:-1])):
        pairs = np.unique(np.stack([a[a != b], b[a != b]], axis=1), axis=0)
        for first, second in pairs.tolist():
            neighbours[first].add(second)
            neighbours[second].add(first)
    return neighbours


def as_array(image: np.ndarray | Tensor) -> np.ndarray:
    """The image as a contiguous uint8 [H, W, 3] array, or an error that says what is wrong with it."""
    if not isinstance(image, np.ndarray | Tensor):
        raise TypeError(
            f"image must be a tensor or a numpy array, got {type(image).__name__}: use np.asarray"
        )
    if isinstance(image, Tensor):
        if image.ndim != 3 or image.shape[0] != 3:
            raise ValueError(
                f"a tensor image must be [3, H, W], got {list(image.shape)}: one image, in colour"
            )
        image = image.detach().cpu().permute(1, 2, 0).numpy()  # [H, W, 3]
    if image.dtype != np.uint8:
        raise TypeError(f"image must be uint8 (0 to 255), got {image.dtype}: take it before it is normalised")
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"an array image must be [H, W, 3] with pixels, got {list(image.shape)}")
    return np.ascontiguousarray(image)
