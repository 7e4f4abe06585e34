"""What every operation asks of its tensors before it computes: tensors indeed, on one device, of the right kind."""

import torch
from torch import Tensor


def check_tensors(**tensors: Tensor) -> None:
    """Refuse what is no tensor, and tensors on different devices.

    Args:
        tensors: by the names they have in the error.

    Raises:
        TypeError: something else, such as a list.
        ValueError: a tensor that is not where the first one is.
    """
    first = device = None
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(tensor).__name__}: use torch.as_tensor"
            )
        if device is None:
            first, device = name, tensor.device
        elif tensor.device != device:
            raise ValueError(
                f"{name} is on {tensor.device}, {first} on {device}: use {name}.to({first}.device)"
            )


def check_floating(**tensors: Tensor) -> None:
    """`check_tensors`, and refuse integers and bool.

    Raises:
        TypeError, ValueError: see `check_tensors`; a tensor that is not floating point.
    """
    check_tensors(**tensors)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise TypeError(f"{name} must be floating point, got {tensor.dtype}: convert with .float()")


def check_labels(labels: Tensor, classes: int, name: str = "labels", lowest: int = 0) -> None:
    """Refuse anything but int64 labels from ``lowest`` to ``classes - 1``.

    Raises:
        TypeError: another dtype.
        ValueError: a label out of range.
    """
    if labels.dtype != torch.int64:
        raise TypeError(f"{name} must be int64, got {labels.dtype}: convert with .long()")
    if ((labels < lowest) | (labels >= classes)).any():
        what = "background and ignored ones" if lowest else "ignored ones"
        raise ValueError(
            f"{name} must be {lowest} .. {classes - 1}, got {labels.unique().tolist()}: drop {what} first"
        )


def exact(*tensors: Tensor) -> torch.dtype:
    """The dtype to compute in: that of the tensors, but at least float32; half precision and integers gain bits."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype
