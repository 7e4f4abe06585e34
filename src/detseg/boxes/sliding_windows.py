"""Every window of a few shapes on a grid: proposals without looking (OverFeat, Sermanet et al. 2013)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from detseg.boxes.geometry import check_image_size


def sliding_windows(
    height: int, width: int, sizes: Sequence[float], ratios: Sequence[float], stride: int
) -> Tensor:
    """All windows that lie wholly inside the image; touching its border is inside.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        sizes: square roots of the windows' areas, pixels.
        ratios: heights divided by widths.
        stride: the step between windows, pixels; the first starts at (0, 0).

    Returns:
        float32 ``[N, 4]`` as (x1, y1, x2, y2), unrounded; in order of size, ratio, row, column.

    Raises:
        ValueError: anything that is not positive.
    """
    check_image_size((height, width))
    if stride < 1 or not all(number > 0 for number in (*sizes, *ratios)):
        raise ValueError(f"sizes, ratios and stride must be positive, got {sizes}, {ratios}, {stride}")
    windows = [torch.zeros(0, 4)]
    for size in sizes:
        for ratio in ratios:
            high, wide = size * ratio**0.5, size / ratio**0.5
            if high <= height and wide <= width:
                top = torch.arange(int((height - high) // stride) + 1) * stride
                left = torch.arange(int((width - wide) // stride) + 1) * stride
                y, x = torch.meshgrid(top.float(), left.float(), indexing="ij")
                windows.append(torch.stack([x, y, x + wide, y + high], dim=-1).reshape(-1, 4))
    return torch.cat(windows)
