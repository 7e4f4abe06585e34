"""Which RoIs a training step looks at (Fast R-CNN, Girshick 2015, section 2.3)."""

import torch
from torch import Tensor

from detseg.proposals.matching import BACKGROUND
from detseg.tensors import check_tensors


def sample_rois(
    matched: Tensor, batch_size: int, positive_fraction: float, generator: torch.Generator
) -> Tensor:
    """Draw at most ``int(batch_size x positive_fraction)`` positives, and fill up with background.

    Args:
        matched: int64 ``[N]`` from :func:`detseg.proposals.match_boxes`: >= 0 positive, -1 background, -2
            never drawn.
        batch_size: how many to draw; fewer come back where there are not enough.
        positive_fraction: the largest share of positives, in [0, 1].
        generator: the only source of chance; numbers are drawn on its device.

    Returns:
        int64 ``[<= batch_size]``: indices into ``matched`` without repeats, positives first.

    Raises:
        TypeError: ``matched`` is not int64, or ``generator`` is not a ``torch.Generator``.
        ValueError: ``matched`` is not ``[N]``; a negative ``batch_size``; a fraction outside [0, 1].
    """
    check_tensors(matched=matched)
    if matched.dtype != torch.int64:
        raise TypeError(f"matched must be int64, got {matched.dtype}: use match_boxes")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if matched.dim() != 1:
        raise ValueError(f"matched must be [N], got {list(matched.shape)}")
    if batch_size < 0 or not 0 <= positive_fraction <= 1:
        raise ValueError(
            f"batch_size must be >= 0 and positive_fraction in [0, 1], got {batch_size}, {positive_fraction}"
        )
    positives = torch.where(matched >= 0)[0]
    negatives = torch.where(matched == BACKGROUND)[0]
    drawn = _draw(positives, int(batch_size * positive_fraction), generator)
    return torch.cat([drawn, _draw(negatives, batch_size - len(drawn), generator)])


def _draw(indices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of the indices without repeats, or all of them in random order."""
    order = torch.randperm(len(indices), generator=generator, device=generator.device)
    return indices[order[:count].to(indices.device)]
