"""What the readers of real data sets share: files that must be there, pictures, and boxes that make no sense."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from detseg.boxes.geometry import clip_boxes


def require(path: Path, layout: str, source: str) -> Path:
    """The path, if there is such a file or folder.

    Args:
        path: what is needed.
        layout: how the data set's folder must look, one line a file.
        source: where to get the data.

    Raises:
        FileNotFoundError: saying what is missing, where to get it and where to put it.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing. Nothing is downloaded for you: get the data from {source}, unpack it, and "
            f"give the folder that looks like this:\n{layout}"
        )
    return path


def read_image(path: Path) -> Tensor:
    """A picture as uint8 RGB ``[3, H, W]``; grey and palette pictures are converted.

    Raises:
        ValueError: the file is no picture, or is damaged.
    """
    return torch.from_numpy(_pixels(path, "RGB")).permute(2, 0, 1).contiguous()  # [H, W, 3] -> [3, H, W]


def read_index_mask(path: Path) -> Tensor:
    """A mask whose pixels are numbers (of classes or objects), not colours: uint8 ``[H, W]``.

    Raises:
        ValueError: the file is no picture, is damaged, or holds colours.
    """
    with _opened(path) as picture:
        mode = picture.mode
    if mode not in ("P", "L"):
        raise ValueError(
            f"{path} holds colours ({mode}), not class numbers; use the data set's own palette PNG"
        )
    return torch.from_numpy(_pixels(path, mode))


def sound_boxes(
    boxes: Tensor, image_size: tuple[int, int], name: str, skip_bad: bool
) -> tuple[Tensor, Tensor]:
    """Clip annotated boxes to their picture, and deal with those that have no area in it.

    Args:
        boxes: float32 ``[N, 4]`` as (x1, y1, x2, y2), pixels.
        image_size: (height, width).
        name: of the picture.
        skip_bad: leave such boxes out, instead of raising.

    Returns:
        The clipped boxes ``[M, 4]``, and bool ``[N]``: which were kept.

    Raises:
        ValueError: naming the picture, the box and the way out.
    """
    clipped = clip_boxes(boxes.nan_to_num(), image_size)
    sound = ((boxes[:, 2:] > boxes[:, :2]) & (clipped[:, 2:] > clipped[:, :2])).all(1)  # [N]; False for NaN
    if not skip_bad and not sound.all():
        index = int((~sound).nonzero()[0])
        raise ValueError(
            f"{name}: object {index}, box {boxes[index].tolist()}, has no area in the picture of height "
            f"{image_size[0]} and width {image_size[1]}; mend the annotation, or pass skip_bad=True to leave it out"
        )
    return clipped[sound], sound


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise ValueError(
            f"{path} is no picture, or is damaged ({error}); unpack the data set again"
        ) from error


def _pixels(path: Path, mode: str) -> np.ndarray:
    with _opened(path) as picture:
        try:
            return np.array(picture if picture.mode == mode else picture.convert(mode))
        except (OSError, SyntaxError) as error:  # PIL's word for a broken PNG is SyntaxError
            raise ValueError(f"{path} is damaged ({error}); unpack the data set again") from error
