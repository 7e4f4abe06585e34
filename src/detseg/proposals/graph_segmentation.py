"""Graph-based segmentation: the small regions selective search starts from (Felzenszwalb & Huttenlocher 2004)."""

import numpy as np
from PIL import Image, ImageFilter


def graph_segmentation(
    image: np.ndarray, scale: float = 80.0, sigma: float = 0.8, min_size: int = 20
) -> np.ndarray:
    """Cut an image into regions of similar colour.

    Pixels are the nodes of a graph, joined to their 8 neighbours by edges as heavy as their colours differ.
    Edges are taken from light to heavy; one joins two regions unless it is heavier than what both already
    hold inside, plus ``scale / size`` (section 3.1 of the paper): so a larger ``scale`` gives larger regions.

    Args:
        image: uint8 ``[H, W, 3]``, in any colour space.
        scale: the paper's k.
        sigma: Gaussian blur in pixels, which removes noise before the colours are compared.
        min_size: smaller regions are joined to their most similar neighbour at the end.

    Returns:
        int64 ``[H, W]``, the region of each pixel, numbered from 0.

    Raises:
        TypeError, ValueError: the image is not uint8 ``[H, W, 3]`` with pixels; a scale that is not positive, or a
            negative blur.
    """
    if image.dtype != np.uint8:
        raise TypeError(f"image must be uint8 (0 to 255), got {image.dtype}: take it before it is normalised")
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be [H, W, 3] with pixels, got {list(image.shape)}")
    if not scale > 0 or not sigma >= 0:
        raise ValueError(f"scale must be positive and sigma not negative, got {scale} and {sigma}")
    height, width = image.shape[:2]
    first, second, weights = _edges(image, sigma)
    order = np.argsort(weights, kind="stable")
    first, second, weights = first[order], second[order], weights[order]

    parent = list(range(height * width))
    size = [1] * (height * width)
    threshold = [float(scale)] * (height * width)  # heaviest edge inside + scale / size, kept at the root

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b, weight in zip(first.tolist(), second.tolist(), weights.tolist(), strict=True):
        a, b = root(a), root(b)
        if a != b and weight <= threshold[a] and weight <= threshold[b]:
            parent[b] = a
            size[a] += size[b]
            threshold[a] = weight + scale / size[a]

    roots = _flatten(parent)
    borders = roots[first] != roots[second]  # only edges between two regions can still join anything
    for a, b in zip(first[borders].tolist(), second[borders].tolist(), strict=True):
        a, b = root(a), root(b)
        if a != b and min(size[a], size[b]) < min_size:
            parent[b] = a
            size[a] += size[b]
    return np.unique(_flatten(parent), return_inverse=True)[1].reshape(height, width)


def _edges(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both pixels (flat indices) and the colour distance of every pair of 8-neighbours, each pair once."""
    height, width = image.shape[:2]
    smooth = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma)), np.float32)
    index = np.arange(height * width).reshape(height, width)
    firsts, seconds, weights = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width - max(0, -right)))
        firsts.append(index[here].ravel())
        seconds.append(index[there].ravel())
        weights.append(np.sqrt(((smooth[here] - smooth[there]) ** 2).sum(-1)).ravel())
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(weights)


def _flatten(parent: list[int]) -> np.ndarray:
    """The root of every node, by pointer jumping."""
    roots = np.asarray(parent)
    while (roots[roots] != roots).any():
        roots = roots[roots]
    return roots
