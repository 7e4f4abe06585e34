"""One object, two heads: what is it, and where? (the lecture's step from classification to detection)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detseg.boxes import clip_boxes
from detseg.losses import localisation_loss
from detseg.models.backbone import MiniVGG
from detseg.models.fingerprint import fingerprint
from detseg.models.inputs import check_images


class Localiser(nn.Module):
    """A shared trunk (the convolutions, fc6 and fc7), then class scores and one box.

    The sum of cross-entropy and L2 is the multi-task loss. It works for images with one object (OverFeat, Sermanet et
    al. 2014, section 4, trains such a box head); for two there is no second box to give.
    """

    def __init__(
        self,
        backbone: MiniVGG,
        image_size: tuple[int, int] = (64, 64),
        num_classes: int = 6,
        hidden: int = 256,
        box_weight: float = 10.0,
        localisation_loss: Callable[..., Tensor] = localisation_loss,
    ) -> None:
        """Build the fully connected layers.

        Args:
            backbone: the convolutions.
            image_size: (height, width) of all images to come; fully connected layers are made for one size.
            num_classes: K, background ("no object here") included.
            hidden: width of fc6 and fc7.
            box_weight: of the box term, whose lengths are measured in image sides.
            localisation_loss: see `detseg.losses`; an argument, so that a learner's own can do the work.
        """
        super().__init__()
        if min(image_size) < 2 * backbone.stride:
            raise ValueError(
                f"Localiser: image_size must be at least {2 * backbone.stride}, got {image_size}"
            )
        self.backbone = backbone
        self.image_size = image_size
        self.num_classes = num_classes
        self.box_weight = box_weight
        self.localisation_loss = localisation_loss
        height, width = (side // backbone.stride // 2 for side in image_size)
        self.fc6 = nn.Linear(backbone.channels * height * width, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(0.2)
        self.classify = nn.Linear(hidden, num_classes)
        self.regress = nn.Linear(hidden, 4)
        nn.init.normal_(self.regress.weight, std=0.001)
        with torch.no_grad():  # the first guess: the middle half of the image
            self.regress.bias.copy_(torch.tensor([0.25, 0.25, 0.75, 0.75]))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits ``[N, K]`` and boxes ``[N, 4]`` of normalised images ``[N, 3, H, W]``.

        The boxes are (x1, y1, x2, y2) in image sides: 0 is the left or upper border, 1 the right or lower.
        """
        check_images(images, "Localiser")
        if images.shape[2:] != self.image_size:
            raise ValueError(
                f"Localiser: images must be {list(self.image_size)}, got {list(images.shape[2:])}"
            )
        features = F.max_pool2d(self.backbone(images), 2)  # [N, C, H / 16, W / 16]
        hidden = F.relu(self.fc6(features.flatten(1)))  # [N, hidden]
        hidden = F.relu(self.fc7(self.dropout(hidden)))  # [N, hidden]
        return self.classify(self.dropout(hidden)), self.regress(hidden)

    def losses(
        self, images: Tensor, labels: Tensor, boxes: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """``{"class and box": scalar}``, the multi-task loss.

        Args:
            images: ``[N, 3, H, W]``, normalised.
            labels: int64 ``[N]``; images with label 0 have no object and no box.
            boxes: ``[N, 4]``, pixels.
            generator: not used, nothing is sampled.
        """
        class_logits, sides = self(images)
        loss = self.localisation_loss(
            class_logits, sides, labels, boxes / self._scale(boxes), self.box_weight
        )
        return {"class and box": loss}

    @torch.no_grad()
    def predict(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The most likely class of each image, whatever it is, and the box.

        Returns:
            boxes ``[N, 4]`` in pixels, clipped to the image, scores ``[N]`` and labels ``[N]``; with label 0 the box
            means nothing. The model is left in evaluation mode.
        """
        self.eval()
        class_logits, sides = self(images)
        scores, labels = class_logits.softmax(dim=1).max(dim=1)
        return clip_boxes(sides * self._scale(sides), self.image_size), scores, labels

    def _scale(self, like: Tensor) -> Tensor:
        """Pixels of an image side, for (x1, y1, x2, y2)."""
        height, width = self.image_size
        return like.new_tensor([width, height, width, height])

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed."""
        return {"box_weight": self.box_weight, "localisation_loss": fingerprint(self.localisation_loss)}
