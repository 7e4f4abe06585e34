"""R-CNN's box regressor: ridge regression from features to box deltas (Girshick et al. 2014, appendix C)."""

import torch
from torch import Tensor

from detseg.tensors import check_floating


def ridge_regression(features: Tensor, targets: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """Minimise the sum of squared errors plus ``l2`` x the sum of squared weights; the bias is free.

    A free bias absorbs the means, so the weights come from centred features and targets. Solved in float64.

    Args:
        features: ``[N, D]``, N > 0.
        targets: ``[N, T]``, usually the four deltas.
        l2: the price of weights (1000 in the paper), not negative.

    Returns:
        weight ``[D, T]`` and bias ``[T]`` in the dtype of ``features``: predict ``features @ weight + bias``.

    Raises:
        TypeError: not floating point.
        ValueError: shapes that do not fit, values that are not finite, a negative ``l2``, or ``l2`` = 0
            with features that do not determine the weights.
    """
    check_floating(features=features, targets=targets)
    if features.dim() != 2 or targets.dim() != 2 or len(features) != len(targets) or len(features) == 0:
        raise ValueError(
            f"features and targets must be [N, D] and [N, T], N > 0, got {list(features.shape)}, {list(targets.shape)}"
        )
    for name, values in (("features", features), ("targets", targets)):
        finite = values.isfinite().all(1)  # [N]
        if not finite.all():
            raise ValueError(f"{name}[{int((~finite).nonzero()[0])}] is not finite: leave this example out")
    if l2 < 0:
        raise ValueError(f"l2 must not be negative, got {l2}")
    x, y = features.double(), targets.double()
    x_mean, y_mean = x.mean(0), y.mean(0)  # [D], [T]
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x + l2 * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)  # [D, D]
    try:
        weight = torch.linalg.solve(gram, x.T @ y)  # [D, T]
    except torch.linalg.LinAlgError as error:
        raise ValueError("features do not determine the weights: use l2 > 0") from error
    return weight.to(features.dtype), (y_mean - x_mean @ weight).to(features.dtype)
