"""Fully convolutional networks (Long, Shelhamer & Darrell 2015): every pixel's class in one pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detseg.layers import bilinear_kernel, conv_transpose2d, fuse_skip
from detseg.losses import pixel_cross_entropy
from detseg.models.backbone import MiniVGG
from detseg.models.fingerprint import fingerprint
from detseg.models.inputs import check_class_masks, check_images


class FCN(nn.Module):
    """Down with a classification network, up with transposed convolutions, finer scores added on the way.

    The paper's VGG16 ends at stride 32: its FCN-32s has no skip, FCN-16s one, FCN-8s two. MiniVGG, for images a
    quarter of that size, ends here at stride 16, and each skip halves the step once more:

    - ``skips=0``, like FCN-32s: 16x upsampling at the end;
    - ``skips=1``, like FCN-16s: 8x;
    - ``skips=2``, like FCN-8s: 4x;
    - ``skips=3``, one finer than the paper went: 2x.

    The functions are arguments, so that a learner's own ones can do the work:
    ``FCN(backbone(), fuse_skip=my_fuse_skip)``.
    """

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        skips: int = 2,
        conv_transpose2d: Callable[..., Tensor] = conv_transpose2d,
        bilinear_kernel: Callable[[int, int], Tensor] = bilinear_kernel,
        fuse_skip: Callable[[Tensor, Tensor], Tensor] = fuse_skip,
        pixel_cross_entropy: Callable[..., Tensor] = pixel_cross_entropy,
    ) -> None:
        """Build the layers after the backbone.

        Args:
            backbone: its four groups of convolutions are the way down.
            num_classes: K, background included.
            skips: finer score maps to add, 0 to 3.
            conv_transpose2d, bilinear_kernel, fuse_skip: see `detseg.layers`.
            pixel_cross_entropy: see `detseg.losses`.
        """
        super().__init__()
        if skips not in range(4):
            raise ValueError(f"FCN: skips must be 0, 1, 2 or 3, got {skips}")
        self.backbone = backbone
        self.num_classes = num_classes
        self.conv_transpose2d = conv_transpose2d
        self.fuse_skip = fuse_skip
        self.pixel_cross_entropy = pixel_cross_entropy
        self.factor = 2 ** (4 - skips)  # of the last upsampling

        # fc6 and fc7 of the classification network, as convolutions (section 3.1).
        self.conv5 = nn.Sequential(
            *_convolution(backbone.channels, 128), *_convolution(128, 128), nn.Dropout(0.1)
        )
        self.score = nn.Conv2d(128, num_classes, 1)
        skip_scores = [nn.Conv2d(channels, num_classes, 1) for channels in (128, 64, 32)[:skips]]
        for layer in skip_scores:  # section 4.2: at first a skip adds nothing
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.skip_scores = nn.ModuleList(skip_scores)
        # Learned, from bilinear interpolation on (section 3.3).
        self.upsample = nn.Parameter(bilinear_kernel(num_classes, self.factor))  # [K, K, k, k]

    def forward(self, images: Tensor) -> Tensor:
        """Class logits of every pixel: ``[N, 3, H, W]``, normalised, to ``[N, K, H, W]``; any H and W."""
        check_images(images, "FCN")
        height, width = images.shape[2:]
        # To multiples of 16, so that no pooling loses a row; zero is the mean colour.
        images = F.pad(images, (0, -width % 16, 0, -height % 16))
        net = self.backbone
        half = net.conv2(net.pool1(net.conv1(images)))  # [N, 32, H/2, W/2]
        quarter = net.conv3(net.pool2(half))  # [N, 64, H/4, W/4]
        eighth = net.conv4(net.pool3(quarter))  # [N, 128, H/8, W/8]
        deepest = self.conv5(F.max_pool2d(eighth, 2))  # [N, 128, H/16, W/16]

        # Convolutions like channels last; whoever writes a layer may rely on the usual order in memory.
        logits = self.score(deepest).contiguous()  # [N, K, H/16, W/16]
        for score, finer in zip(self.skip_scores, (eighth, quarter, half), strict=False):
            logits = self.fuse_skip(logits, score(finer).contiguous())  # [N, K, 2h, 2w]
        logits = self.conv_transpose2d(logits, self.upsample, self.factor, self.factor // 2)  # [N, K, H', W']
        expected = [len(images), self.num_classes, *images.shape[2:]]
        if list(logits.shape) != expected:
            raise ValueError(
                f"FCN: fuse_skip and conv_transpose2d must lead to {expected}, they led to {list(logits.shape)}"
            )
        return logits[:, :, :height, :width]

    def losses(self, images: Tensor, class_masks: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``{"pixel": scalar}``, cross-entropy over the pixels of ``class_masks [N, H, W]`` that are not 255.

        Nothing is sampled, so ``generator`` is not used.
        """
        check_class_masks(class_masks, images, self.num_classes, "FCN")
        return {"pixel": self.pixel_cross_entropy(self(images), class_masks)}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """The class of every pixel, int64 ``[N, H, W]``; the model is left in evaluation mode."""
        self.eval()
        return self(images).argmax(dim=1)

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed: whose functions are at work."""
        names = ("conv_transpose2d", "fuse_skip", "pixel_cross_entropy")
        return {name: fingerprint(getattr(self, name)) for name in names}


class FullResolutionFCN(nn.Module):
    """The plain idea before FCN: 3x3 convolutions at the image's own size, no pooling, nothing to upsample.

    Each layer sees only one pixel further and computes at every pixel: 6 layers reach 6 pixels around, for more
    multiply-adds than all of MiniVGG. That is why the others go down first.
    """

    def __init__(
        self,
        num_classes: int = 6,
        width: int = 24,
        depth: int = 6,
        pixel_cross_entropy: Callable[..., Tensor] = pixel_cross_entropy,
    ) -> None:
        """Stack ``depth`` convolutions of ``width`` channels, and a 1x1 convolution to ``num_classes`` scores."""
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(
                f"FullResolutionFCN: width and depth must be at least 1, got {width} and {depth}"
            )
        self.num_classes = num_classes
        self.pixel_cross_entropy = pixel_cross_entropy
        layers = [layer for index in range(depth) for layer in _convolution(width if index else 3, width)]
        self.convolutions = nn.Sequential(*layers)
        self.score = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Class logits of every pixel: ``[N, 3, H, W]``, normalised, to ``[N, K, H, W]``."""
        check_images(images, "FullResolutionFCN")
        logits: Tensor = self.score(self.convolutions(images))
        return logits

    def losses(self, images: Tensor, class_masks: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``{"pixel": scalar}``, as in `FCN`."""
        check_class_masks(class_masks, images, self.num_classes, "FullResolutionFCN")
        return {"pixel": self.pixel_cross_entropy(self(images), class_masks)}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """The class of every pixel, int64 ``[N, H, W]``; the model is left in evaluation mode."""
        self.eval()
        return self(images).argmax(dim=1)

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed."""
        return {"pixel_cross_entropy": fingerprint(self.pixel_cross_entropy)}


def _convolution(before: int, after: int) -> list[nn.Module]:
    """A 3x3 convolution that keeps the size, as in MiniVGG."""
    return [
        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    ]
