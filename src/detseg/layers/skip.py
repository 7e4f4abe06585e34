"""FCN's skip connection (Long et al. 2015, section 4.2): coarse scores say what, fine ones say where."""

from torch import Tensor

from detseg.layers.transposed_conv import bilinear_kernel, conv_transpose2d
from detseg.tensors import check_floating


def fuse_skip(coarse: Tensor, skip: Tensor) -> Tensor:
    """Double the coarse scores by bilinear interpolation and add the finer layer's own.

    Both are cropped centrally to the smaller size (of an odd surplus, the smaller half goes first), so no
    padding of the image is needed to make the sizes meet.

    Args:
        coarse: ``[N, K, h, w]`` scores.
        skip: ``[N, K, H, W]`` scores of the layer with half the stride.

    Returns:
        ``[N, K, min(2 h, H), min(2 w, W)]``.

    Raises:
        TypeError: scores that are not floating point.
        ValueError: batch or classes that differ.
    """
    check_floating(coarse=coarse, skip=skip)
    if coarse.dim() != 4 or skip.dim() != 4 or coarse.shape[:2] != skip.shape[:2]:
        raise ValueError(
            f"coarse and skip must both be [N, K, ., .], got {list(coarse.shape)} and {list(skip.shape)}"
        )
    planes = coarse.flatten(0, 1)[:, None]  # [N x K, 1, h, w]: every class is doubled by itself
    doubled = conv_transpose2d(
        planes, bilinear_kernel(1, 2).to(planes), stride=2, padding=1
    )  # [N x K, 1, 2h, 2w]
    doubled = doubled.view(*coarse.shape[:2], *doubled.shape[2:])  # [N, K, 2h, 2w]
    height, width = (min(a, b) for a, b in zip(doubled.shape[2:], skip.shape[2:], strict=True))
    return _crop(doubled, height, width) + _crop(skip, height, width)


def _crop(x: Tensor, height: int, width: int) -> Tensor:
    """The central ``height`` x ``width`` of ``[..., H, W]``."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]
