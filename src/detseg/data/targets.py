"""The border check: what every data set's targets must satisfy before a model sees them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def check_target(
    target: Mapping[str, Any], image_size: tuple[int, int], name: str, num_classes: int | None = None
) -> None:
    """Raise if a detection target breaks a convention of this library.

    Args:
        target: "boxes" float32 [N, 4] and "labels" int64 [N]; if present also "class_mask" uint8 [H, W] and
            "instance_masks" bool [N, H, W].
        image_size: (height, width) of the picture.
        name: what to call the picture in the message, such as its file or "scene 17".
        num_classes: K with the background; labels must then be 1 to K - 1.

    Raises:
        ValueError: naming the picture, the entry at fault and the fix.
        TypeError: an entry is no tensor or has the wrong dtype.
    """
    boxes = _tensor(target, "boxes", torch.float32, name)
    labels = _tensor(target, "labels", torch.int64, name)
    _check_boxes(boxes, image_size, name)
    if labels.shape != boxes.shape[:1]:
        raise ValueError(
            f"{name}: labels must have shape [{len(boxes)}], one a box, not {list(labels.shape)}"
        )
    highest = "" if num_classes is None else f" to {num_classes - 1}"
    wrong = labels < 1 if num_classes is None else (labels < 1) | (labels >= num_classes)
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ValueError(f"{name}: labels[{i}] is {int(labels[i])}; labels are 1{highest}, 0 is background")
    if "class_mask" in target:
        mask = _tensor(target, "class_mask", torch.uint8, name)
        if tuple(mask.shape) != tuple(image_size):
            raise ValueError(
                f"{name}: class_mask must have the picture's size {list(image_size)}, not {list(mask.shape)}"
            )
        if num_classes is not None and ((mask >= num_classes) & (mask != 255)).any():
            raise ValueError(f"{name}: class_mask has values above {num_classes - 1} other than 255 (ignore)")
    if "instance_masks" in target:
        masks = _tensor(target, "instance_masks", torch.bool, name)
        expected = [len(boxes), *image_size]
        if list(masks.shape) != expected:
            raise ValueError(f"{name}: instance_masks must have shape {expected}, not {list(masks.shape)}")


def _tensor(target: Mapping[str, Any], key: str, dtype: torch.dtype, name: str) -> Tensor:
    if key not in target:
        raise ValueError(f"{name}: the target has no {key!r}")
    value = target[key]
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: {key} must be a tensor, not {type(value).__name__}")
    if value.dtype != dtype:
        raise TypeError(f"{name}: {key} must be {dtype}, not {value.dtype}; convert it with .to({dtype})")
    return value


def _check_boxes(boxes: Tensor, image_size: tuple[int, int], name: str) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        hint = "; a picture without objects has boxes of shape [0, 4]" if boxes.numel() == 0 else ""
        raise ValueError(f"{name}: boxes must have shape [N, 4], not {list(boxes.shape)}{hint}")
    height, width = image_size
    x1, y1, x2, y2 = boxes.unbind(dim=1)  # 4 x [N]
    problems = (
        (~boxes.isfinite().all(dim=1), "is not finite; drop it or mend the annotation"),
        ((x2 <= x1) | (y2 <= y1), "has no area; boxes are (x1, y1, x2, y2) with x2 > x1 and y2 > y1"),
        (
            (x1 < 0) | (y1 < 0) | (x2 > width) | (y2 > height),
            f"leaves the picture of height {height} and width {width}; clip it first",
        ),
    )
    for wrong, message in problems:
        if wrong.any():
            i = int(wrong.nonzero()[0])
            raise ValueError(f"{name}: boxes[{i}] = {boxes[i].tolist()} {message}")
