"""Pre-training of the shared backbone: which animal is on the crop? (the course's ImageNet)."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detseg.models.backbone import MiniVGG, normalise
from detseg.training.loop import Fitted, fit


class Crops(Protocol):
    """Single objects with their class, such as `detseg.data.farm.FarmCrops`."""

    def __len__(self) -> int:
        """The number of crops."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """A uint8 crop ``[3, H, W]`` and its label, from 1."""


class CropClassifier(nn.Module):
    """The backbone, the mean over all cells, one linear layer. Background has no logit: there is always an animal."""

    def __init__(self, num_classes: int = 6) -> None:
        """Build the layers for K - 1 animals."""
        super().__init__()
        self.backbone = MiniVGG()
        self.dropout = nn.Dropout(0.2)
        self.classify = nn.Linear(self.backbone.channels, num_classes - 1)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised crops ``[N, 3, H, W]`` to logits ``[N, K - 1]`` of the classes from 1."""
        features = self.backbone(images).mean(dim=(2, 3))  # [N, C]
        logits: Tensor = self.classify(self.dropout(features))
        return logits

    def losses(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy with label smoothing; nothing is sampled, so ``generator`` is not used."""
        return {"class": F.cross_entropy(self(images), labels - 1, label_smoothing=0.05)}


class CropBatches:
    """Crops for `fit`, augmented a batch at a time: mirrored half of the time, and shifted by up to 6 pixels."""

    def __init__(self, crops: Crops, shift: int = 6) -> None:
        """Take the crops, and how many pixels to shift them by at most."""
        self.crops = crops
        self.shift = shift

    def __len__(self) -> int:
        """The number of crops."""
        return len(self.crops)

    def batch(
        self, indices: list[int], generator: torch.Generator, device: str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """Normalised crops ``[N, 3, H, W]`` and labels ``[N]``."""
        crops, labels = zip(*(self.crops[index] for index in indices), strict=True)
        images = torch.stack(crops)  # [N, 3, H, W]
        if torch.rand((), generator=generator) < 0.5:
            images = images.flip(3)
        down, right = torch.randint(-self.shift, self.shift + 1, (2,), generator=generator).tolist()
        images = images.roll((down, right), dims=(2, 3))
        return normalise(images.to(device)), torch.tensor(labels, device=device)


def pretrain(
    crops: Crops, epochs: int = 5, seed: int = 0, device: str = "cpu"
) -> tuple[CropClassifier, Fitted]:
    """A backbone that tells the animals apart; about a minute on two cores for 4000 crops."""
    torch.manual_seed(seed)
    model = CropClassifier().to(memory_format=torch.channels_last)
    run = fit(
        model, CropBatches(crops), epochs=epochs, batch_size=64, learning_rate=3e-3, warmup=30, seed=seed, device=device
    )  # fmt: skip
    return model, run


@torch.no_grad()
def accuracy(model: CropClassifier, crops: Crops) -> float:
    """The fraction of crops whose class is told right."""
    model.eval()
    right = 0
    for start in range(0, len(crops), 100):
        images, labels = zip(
            *(crops[index] for index in range(start, min(start + 100, len(crops)))), strict=True
        )
        right += int((model(normalise(torch.stack(images))).argmax(1) + 1 == torch.tensor(labels)).sum())
    return right / len(crops)
