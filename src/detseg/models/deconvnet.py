"""DeconvNet (Noh, Hong & Han 2015): up by unpooling, each value back to where its maximum was."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from detseg.layers import max_pool_with_switches, max_unpool
from detseg.losses import pixel_cross_entropy
from detseg.models.backbone import MiniVGG
from detseg.models.fingerprint import fingerprint
from detseg.models.inputs import check_class_masks, check_images


class DeconvNet(nn.Module):
    """An encoder that remembers its switches, and its mirror image as the decoder (section 3).

    Unpooling has nothing to learn: it puts the values back in a sparse map, which the convolutions after it make
    dense (the paper calls them deconvolutions; at stride 1 the two are the same). No feature map goes across, only
    the switches.

    The functions are arguments, so that a learner's own ones can do the work:
    ``DeconvNet(backbone(), max_unpool=my_max_unpool)``.
    """

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        max_pool_with_switches: Callable[..., tuple[Tensor, Tensor]] = max_pool_with_switches,
        max_unpool: Callable[..., Tensor] = max_unpool,
        pixel_cross_entropy: Callable[..., Tensor] = pixel_cross_entropy,
    ) -> None:
        """Build the decoder.

        Args:
            backbone: its four groups of convolutions are the encoder; its pooling layers are not used.
            num_classes: K, background included.
            max_pool_with_switches, max_unpool: see `detseg.layers`.
            pixel_cross_entropy: see `detseg.losses`.
        """
        super().__init__()
        self.backbone = backbone
        self.num_classes = num_classes
        self.max_pool_with_switches = max_pool_with_switches
        self.max_unpool = max_unpool
        self.pixel_cross_entropy = pixel_cross_entropy

        # fc6 and fc7 of the classification network, as convolutions.
        self.bottom = _convolutions(128, 128, 128)
        # Each ends with the channels of the map above, whose switches the next unpooling follows.
        self.decoder = nn.ModuleList(
            _convolutions(*channels) for channels in ((128, 128, 64), (64, 64, 32), (32, 32, 16), (16, 16))
        )
        self.score = nn.Conv2d(16, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Class logits of every pixel: ``[N, 3, H, W]``, normalised, to ``[N, K, H, W]``; H, W at least 16."""
        check_images(images, "DeconvNet")
        net = self.backbone
        features, remembered = images, []
        for convolutions in (net.conv1, net.conv2, net.conv3, net.conv4):
            features = convolutions(features)  # [N, C, h, w]
            size = (features.shape[2], features.shape[3])
            # Convolutions like channels last; whoever writes a layer may rely on the usual order in memory.
            features, switches = self.max_pool_with_switches(
                features.contiguous(), 2
            )  # [N, C, h/2, w/2] both
            features = features.to(memory_format=torch.channels_last)
            remembered.append((switches, size))
        features = self.bottom(features)  # [N, 128, H/16, W/16]
        for upward, (switches, size) in zip(self.decoder, reversed(remembered), strict=True):
            sparse = self.max_unpool(features.contiguous(), switches, size)  # [N, C, h, w]
            expected = [*features.shape[:2], *size]
            if list(sparse.shape) != expected:
                raise ValueError(f"max_unpool must return {expected}, it returned {list(sparse.shape)}")
            features = upward(sparse.to(memory_format=torch.channels_last))  # [N, C / 2, h, w]
        logits: Tensor = self.score(features)  # [N, K, H, W]
        return logits

    def losses(self, images: Tensor, class_masks: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``{"pixel": scalar}``, cross-entropy over the pixels of ``class_masks [N, H, W]`` that are not 255.

        Nothing is sampled, so ``generator`` is not used.
        """
        check_class_masks(class_masks, images, self.num_classes, "DeconvNet")
        return {"pixel": self.pixel_cross_entropy(self(images).contiguous(), class_masks)}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """The class of every pixel, int64 ``[N, H, W]``; the model is left in evaluation mode."""
        self.eval()
        return self(images).argmax(dim=1)

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: whose functions are at work."""
        names = ("max_pool_with_switches", "max_unpool", "pixel_cross_entropy")
        return {name: fingerprint(getattr(self, name)) for name in names}


def _convolutions(*channels: int) -> nn.Sequential:
    """3x3 convolutions that keep the size, from each number of channels to the next, as in MiniVGG."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [
            nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
