"""Windows cut from scenes: around an object for DeconvNet's first stage, or with a single object for the localiser."""

import math
from typing import Any

import torch
from torch import Tensor

from detseg.models.backbone import normalise
from detseg.training.detection import flip_boxes
from detseg.training.segmentation import Scenes


class ObjectWindows:
    """One window for each object of each scene, the object near its centre (DeconvNet, Noh et al. 2015, section 4.2).

    The paper's first stage learns from such crops alone: the object is always in the middle and fills much of the
    picture, so there is far less to tell apart than in whole scenes. An item is a scene of its own: image uint8
    ``[3, size, size]`` and ``{"class_mask": [size, size]}``.
    """

    def __init__(self, scenes: Scenes, size: int = 64, jitter: float = 4.0, seed: int = 0) -> None:
        """Place the windows.

        Args:
            scenes: images at least ``size`` high and wide, with ``boxes`` and ``class_mask``.
            size: side of a window, pixels.
            jitter: standard deviation of the object's distance from the centre, pixels.
            seed: of the jitter.
        """
        generator = torch.Generator().manual_seed(seed)
        self.scenes = scenes
        self.size = size
        self.corners: list[tuple[int, int, int]] = []  # (scene, top, left)
        for index in range(len(scenes)):
            image, target = scenes[index]
            for x1, y1, x2, y2 in target["boxes"].tolist():
                down, right = (torch.randn(2, generator=generator) * jitter).tolist()
                top = _inside((y1 + y2 - size) / 2 + down, image.shape[1] - size)
                left = _inside((x1 + x2 - size) / 2 + right, image.shape[2] - size)
                self.corners.append((index, top, left))

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.corners)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """Window and class mask."""
        scene, top, left = self.corners[index]
        image, target = self.scenes[scene]
        rows, columns = slice(top, top + self.size), slice(left, left + self.size)
        return image[:, rows, columns], {"class_mask": target["class_mask"][rows, columns]}


class SingleObjectWindows:
    """Windows that hold exactly one object, whole, somewhere; and some that hold none.

    An item is (uint8 ``[3, size, size]``, ``{"label": int, "box": float32 [4]}``) with the box in pixels of the window.
    Without an object, the label is 0 and the box is zero.
    """

    def __init__(
        self,
        scenes: Scenes,
        size: int = 64,
        empty: float = 0.3,
        intrusion: float = 0.05,
        tries: int = 6,
        seed: int = 0,
    ) -> None:
        """Find the windows, by looking at ``tries`` random places around each object.

        Args:
            scenes: images at least ``size`` high and wide, with ``boxes``, ``labels`` and ``instance_masks``.
            size: side of a window, pixels; larger objects are left out.
            empty: places without any object to look for, as a fraction of the objects.
            intrusion: the largest part of a window that other objects may cover.
            tries: places looked at for each object; each that will do becomes a window.
            seed: of the places.
        """
        self.scenes = scenes
        self.size = size
        self.windows: list[tuple[int, int, int, int]] = []  # (scene, top, left, object or -1)
        generator = torch.Generator().manual_seed(seed)
        for index in range(len(scenes)):
            image, target = scenes[index]
            masks = target["instance_masks"]  # [N, H, W]
            occupied = masks.any(dim=0)  # [H, W]
            limits = (image.shape[1] - size, image.shape[2] - size)
            # The object, the highest and lowest corner of a window that holds it, what else must be little.
            searches = [
                (
                    number,
                    (max(0, math.ceil(y2) - size), max(0, math.ceil(x2) - size)),
                    (min(limits[0], int(y1)), min(limits[1], int(x1))),
                    occupied & ~masks[number],
                    intrusion * size**2,
                )
                for number, (x1, y1, x2, y2) in enumerate(target["boxes"].tolist())
            ]
            searches += [(-1, (0, 0), limits, occupied, 0.0)] * round(empty * len(masks))
            for number, low, high, others, allowed in searches:
                for down, right in torch.rand(tries, 2, generator=generator).tolist():
                    top = low[0] + int(down * (high[0] - low[0] + 1))
                    left = low[1] + int(right * (high[1] - low[1] + 1))
                    fits = low[0] <= high[0] and low[1] <= high[1]
                    if fits and others[top : top + size, left : left + size].sum() <= allowed:
                        self.windows.append((index, top, left, number))

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.windows)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Any]]:
        """Window and what it holds."""
        scene, top, left, number = self.windows[index]
        image, target = self.scenes[scene]
        window = image[:, top : top + self.size, left : left + self.size]
        if number < 0:
            return window, {"label": 0, "box": torch.zeros(4)}
        box = target["boxes"][number] - torch.tensor([left, top, left, top])
        return window, {"label": int(target["labels"][number]), "box": box}


class LocalisationBatches:
    """Windows with one object for `detseg.training.loop.fit`; half of them are mirrored."""

    def __init__(self, windows: SingleObjectWindows, flip: float = 0.5) -> None:
        """Take the windows, and the probability of mirroring one with its box."""
        self.windows = windows
        self.flip = flip

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.windows)

    def batch(
        self, indices: list[int], generator: torch.Generator, device: str = "cpu"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised images ``[N, 3, H, W]``, labels ``[N]``, boxes ``[N, 4]``, as ``Localiser.losses`` takes them."""
        images, labels, boxes = [], [], []
        for index in indices:
            image, target = self.windows[index]
            box = target["box"]
            if torch.rand((), generator=generator) < self.flip:
                image = image.flip(2)
                if target["label"]:
                    box = flip_boxes(box[None], image.shape[2])[0]
            images.append(image)
            labels.append(target["label"])
            boxes.append(box)
        return (
            normalise(torch.stack(images).to(device)),
            torch.tensor(labels, device=device),
            torch.stack(boxes).to(device),
        )


def _inside(corner: float, limit: int) -> int:
    return min(max(round(corner), 0), limit)
