"""Mean intersection over union, the measure of semantic segmentation (PASCAL VOC; Long et al. 2015, section 5)."""

from torch import Tensor

from detseg.tensors import check_tensors


def mean_iou(confusion: Tensor) -> tuple[float, Tensor]:
    """Of the pixels that are or were called a class, the share that is both; for each class, and the mean.

    Args:
        confusion: ``[K, K]`` counts over a whole data set, see :func:`detseg.metrics.confusion_matrix`.

    Returns:
        The mean, and float64 ``[K]`` of the classes; a class in neither target nor prediction is NaN and
        left out of the mean. The mean of nothing is NaN.

    Raises:
        ValueError: not a square matrix, or a negative count.
    """
    check_tensors(confusion=confusion)
    if confusion.dim() != 2 or confusion.shape[0] != confusion.shape[1] or (confusion < 0).any():
        raise ValueError(f"confusion must be [K, K] counts, got {list(confusion.shape)}")
    confusion = confusion.double()
    both = confusion.diagonal()  # [K]
    either = confusion.sum(0) + confusion.sum(1) - both  # [K]
    iou = both / either  # 0 / 0 is NaN: the class occurs nowhere
    return float(iou.nanmean()), iou
