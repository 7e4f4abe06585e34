"""Which regions selective search merges first (Uijlings et al. 2013, section 3.2)."""

from typing import TypedDict

import torch
from torch import Tensor


class Region(TypedDict):
    """A region of the image while selective search grows it."""

    colour: Tensor  # [*], a histogram that sums to 1
    texture: Tensor  # [*], likewise
    size: int  # pixels
    box: Tensor  # [4] as (x1, y1, x2, y2), pixels


def region_similarity(a: Region, b: Region, image_area: int) -> float:
    """Colour + texture + size + fill, each between 0 and 1.

    Alike in colour and texture (intersection of the histograms); small, so that no region eats all others; and
    together filling their common box, so that no holes remain.

    Args:
        a: a region.
        b: another one.
        image_area: pixels of the image.

    Returns:
        The sum. The terms are not clamped.

    Raises:
        ValueError: histograms of different lengths, a region without one of its entries, or an image without area.
    """
    for name, region in (("a", a), ("b", b)):
        if missing := {"colour", "texture", "size", "box"} - set(region):
            raise ValueError(
                f"region {name} has no {', '.join(sorted(missing))}: it needs colour, texture, size, box"
            )
    for key, ours, theirs in (("colour", a["colour"], b["colour"]), ("texture", a["texture"], b["texture"])):
        if ours.shape != theirs.shape:
            raise ValueError(
                f"the {key} histograms must have one length, got {list(ours.shape)} and {list(theirs.shape)}"
            )
    if image_area <= 0:
        raise ValueError(f"image_area must be positive, got {image_area}")
    colour = torch.minimum(a["colour"], b["colour"]).sum()
    texture = torch.minimum(a["texture"], b["texture"]).sum()
    together = a["size"] + b["size"]
    corner1 = torch.minimum(a["box"][:2], b["box"][:2])
    corner2 = torch.maximum(a["box"][2:], b["box"][2:])
    size = 1 - together / image_area
    fill = 1 - ((corner2 - corner1).prod() - together) / image_area
    return float(colour + texture + size + fill)
