"""Spatial pyramid pooling (He et al. 2014, section 2.2): a fixed-length vector from any map."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from detseg.tensors import check_floating


def spatial_pyramid_pool(features: Tensor, levels: Sequence[int]) -> Tensor:
    """Max-pool the whole map into l x l bins for every level l and join the results.

    Bin i of l covers the rows floor(i H / l) up to ceil((i + 1) H / l), columns likewise: neighbours share
    a row where H is not a multiple of l.

    Args:
        features: ``[N, C, H, W]``, floating point; any H and W above 0.
        levels: bins a side, e.g. ``(4, 2, 1)``.

    Returns:
        ``[N, C x sum of l^2]`` in the dtype of ``features``; in order of level (as given), channel, row,
        column.

    Raises:
        TypeError: features that are not floating point.
        ValueError: features of another shape or without cells; no levels, or one below 1.
    """
    check_floating(features=features)
    if features.dim() != 4 or 0 in features.shape[2:]:
        raise ValueError(f"features must be [N, C, H, W] with H, W > 0, got {list(features.shape)}")
    if len(levels) == 0 or min(levels) < 1:
        raise ValueError(f"levels must be bins a side, each at least 1, got {list(levels)}")
    pooled = [F.adaptive_max_pool2d(features, level).flatten(1) for level in levels]  # each [N, C x l^2]
    return torch.cat(pooled, dim=1)
