"""Balanced patches for the patch classifier (Farabet et al. 2013, section 5)."""

from collections.abc import Callable

import torch
from torch import Tensor

from detseg.models.backbone import normalise
from detseg.models.patch_classifier import extract_patches
from detseg.training.segmentation import IGNORE, Scenes


class PatchBatches:
    """For each batch of scenes, so many patches centred on background and so many on each other class.

    A class that none of the scenes shows is left out of the batch.
    """

    def __init__(
        self,
        scenes: Scenes,
        size: int = 49,
        background: int = 24,
        each_class: int = 10,
        num_classes: int = 6,
        extract_patches: Callable[..., Tensor] = extract_patches,
    ) -> None:
        """Take the scenes, and count their pixels.

        Args:
            scenes: images with class masks.
            size: side of a patch, odd.
            background: patches of class 0 in a batch; more than of the others, for it looks like many things.
            each_class: patches of each other class in a batch.
            num_classes: K, background included.
            extract_patches: see `detseg.models.patch_classifier`; an argument, so that a learner's own can do it.
        """
        self.scenes = scenes
        self.size = size
        self.quota = [background] + [each_class] * (num_classes - 1)
        self.extract_patches = extract_patches
        self.pixels = torch.zeros(num_classes, dtype=torch.int64)  # [K]
        for index in range(len(scenes)):
            class_mask = scenes[index][1]["class_mask"]
            self.pixels += torch.bincount(class_mask.flatten(), minlength=IGNORE + 1)[:num_classes]

    def __len__(self) -> int:
        """The number of scenes."""
        return len(self.scenes)

    @property
    def log_prior(self) -> Tensor:
        """Of each class ``[K]``: log(share of the pixels / share of the patches); what `PatchClassifier` adds."""
        drawn = torch.tensor(self.quota) / sum(self.quota)
        return (self.pixels / self.pixels.sum()).clamp(min=1e-6).log() - drawn.log()

    def batch(
        self, indices: list[int], generator: torch.Generator, device: str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """Normalised patches ``[N, 3, size, size]``, about half of them mirrored, and their labels ``[N]``."""
        items = [self.scenes[index] for index in indices]
        images = normalise(torch.stack([image for image, _ in items]))  # [B, 3, H, W]
        class_masks = torch.stack([target["class_mask"] for _, target in items])  # [B, H, W]
        chosen, labels = [], []
        for label, count in enumerate(self.quota):
            places = (class_masks == label).nonzero()  # [P, 3], (image, row, column)
            if len(places):
                chosen.append(places[torch.randint(len(places), (count,), generator=generator)])  # [count, 3]
                labels.append(torch.full((count,), label))
        places, wanted = torch.cat(chosen), torch.cat(labels)
        patches = torch.empty(len(places), 3, self.size, self.size)
        for index, image in enumerate(images):
            own = places[:, 0] == index
            patches[own] = self.extract_patches(image, places[own, 1:], self.size)
        mirrored = torch.rand(len(patches), generator=generator) < 0.5
        patches[mirrored] = patches[mirrored].flip(3)
        return patches.to(device), wanted.to(device)
