"""What the layers that pool regions of interest share: their arguments, and matrices over the cells of the maps."""

import warnings

import torch
from torch import Tensor

from detseg.boxes.geometry import check_boxes
from detseg.tensors import check_floating, check_tensors


def check_rois(features: Tensor, rois: Tensor, spatial_scale: float) -> None:
    """Refuse anything but maps ``[N, C, H, W]``, RoIs ``[R, 5]`` that name one of them, and a positive scale.

    Raises:
        TypeError: features that are not floating point, or what :func:`detseg.boxes.check_boxes` refuses.
        ValueError: another shape, a map without cells, a RoI that is not finite or names an image outside the
            batch, a scale that is not positive.
    """
    check_floating(features=features)
    if features.dim() != 4 or 0 in features.shape[2:]:
        raise ValueError(f"features must be [N, C, H, W] with H, W > 0, got {list(features.shape)}")
    check_boxes(rois, "rois", columns=5)
    check_tensors(features=features, rois=rois)
    if not spatial_scale > 0:
        raise ValueError(f"spatial_scale must be positive (1 / stride), got {spatial_scale}")
    image = rois[:, 0]
    wrong = (image < 0) | (image >= len(features)) | (image != image.floor())
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(f"rois[{row}] names image {image[row].item():g} of a batch of {len(features)}")


def grid_size(output_size: int | tuple[int, int]) -> tuple[int, int]:
    """Bins (high, wide) from that pair or from one number for both."""
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    if height < 1 or width < 1:
        raise ValueError(f"output_size must be positive, an int or (height, width), got {output_size}")
    return height, width


def cell_rows(features: Tensor) -> Tensor:
    """``[N, C, H, W]`` as a table ``[N x H x W, C]``: a row for each cell, in reading order."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def sparse_rows(starts: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    """A sparse matrix ``[rows, width]`` whose row i holds ``values[starts[i]:starts[i + 1]]`` at ``columns``."""
    with warnings.catch_warnings():  # torch announces once that sparse tensors are in beta
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(
            starts, columns, values, (len(starts) - 1, width), check_invariants=False
        )
