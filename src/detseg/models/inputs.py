"""What every network asks of its images and masks before a layer stumbles over them."""

import torch
from torch import Tensor

from detseg.tensors import check_tensors


def check_images(images: Tensor, model: str) -> None:
    """Refuse anything but a batch of normalised images ``[N, 3, H, W]`` with N, H, W > 0.

    Args:
        images: to be checked.
        model: whose input they are, for the message.

    Raises:
        TypeError, ValueError: naming what is wrong and the way out.
    """
    check_tensors(images=images)
    if not images.is_floating_point():
        raise TypeError(f"{model}: images are {images.dtype}; pass them through normalise(images) first")
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise ValueError(
            f"{model}: images must be [N, 3, H, W] with N, H, W > 0, got {list(images.shape)}; "
            "one image needs image[None]"
        )


def check_class_masks(class_masks: Tensor, images: Tensor, num_classes: int, model: str) -> None:
    """Refuse anything but int64 masks ``[N, H, W]`` of the images, with classes 0 .. K - 1 and 255 for "ignore".

    Raises:
        TypeError, ValueError: naming what is wrong and the way out.
    """
    check_tensors(images=images, class_masks=class_masks)
    if class_masks.dtype != torch.int64:
        raise TypeError(f"{model}: class masks must be int64, got {class_masks.dtype}; convert with .long()")
    expected = [len(images), *images.shape[2:]]
    if list(class_masks.shape) != expected:
        raise ValueError(
            f"{model}: class masks must be {expected}, as the images, got {list(class_masks.shape)}"
        )
    if ((class_masks < 0) | (class_masks >= num_classes) & (class_masks != 255)).any():
        raise ValueError(
            f"{model}: class masks must hold 0 .. {num_classes - 1} or 255 (ignore), "
            f"got {class_masks.unique().tolist()}"
        )
