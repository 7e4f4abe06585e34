"""Segmentation one patch at a time (Farabet, Couprie, Najman & LeCun 2013): what is at the centre of this patch?"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detseg.models.backbone import MiniVGG
from detseg.models.fingerprint import fingerprint
from detseg.models.inputs import check_images
from detseg.tensors import check_labels, check_tensors


def extract_patches(image: Tensor, centers: Tensor, size: int) -> Tensor:
    """Cut a square patch around each centre; outside the image is zero.

    Args:
        image: ``[C, H, W]``.
        centers: int64 ``[N, 2]`` as (row, column), pixels inside the image.
        size: side of a patch, pixels; odd, so that the centre is a pixel.

    Returns:
        ``[N, C, size, size]``.

    Raises:
        TypeError, ValueError: shapes, types or sizes that do not fit; a centre outside the image.
    """
    check_tensors(image=image, centers=centers)
    if image.ndim != 3:
        raise ValueError(f"extract_patches: image must be [C, H, W], got {list(image.shape)}")
    if size < 1 or size % 2 == 0:
        raise ValueError(f"extract_patches: size must be odd and positive, got {size}")
    if centers.is_floating_point() or centers.dtype == torch.bool:
        raise TypeError(f"extract_patches: centers must be integers, got {centers.dtype}")
    if centers.ndim != 2 or centers.shape[1] != 2:
        raise ValueError(f"extract_patches: centers must be [N, 2], got {list(centers.shape)}")
    row, column = centers.long().unbind(1)  # [N] each
    if ((row < 0) | (row >= image.shape[1]) | (column < 0) | (column >= image.shape[2])).any():
        raise ValueError(f"extract_patches: a center lies outside the image {list(image.shape[1:])}")
    padded = F.pad(image, [size // 2] * 4)  # [C, H + size - 1, W + size - 1]
    # All patches there are, as a view: the patch at [row, column] is centred on that pixel.
    everywhere = padded.unfold(1, size, 1).unfold(2, size, 1)  # [C, H, W, size, size]
    return everywhere[:, row, column].transpose(0, 1)  # [N, C, size, size]


def segment_by_patches(
    image: Tensor, classify: Callable[[Tensor], Tensor], size: int, stride: int = 1, batch_size: int = 256
) -> Tensor:
    """The class of every pixel, or of every ``stride``-th row and column, each from the patch around it.

    Args:
        image: ``[C, H, W]``.
        classify: scores ``[N, K]`` of patches ``[N, C, size, size]``.
        size: side of a patch, odd.
        stride: pixels from one centre to the next; the first is at row 0, column 0.
        batch_size: patches classified at a time; memory grows with it.

    Returns:
        int64 ``[ceil(H / stride), ceil(W / stride)]``.

    Raises:
        TypeError, ValueError: see `extract_patches`; an image without pixels, a stride or batch size below 1; scores
            of another shape.
    """
    check_tensors(image=image)
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(f"segment_by_patches: image must be [C, H, W] with pixels, got {list(image.shape)}")
    if stride < 1 or batch_size < 1:
        raise ValueError(
            f"segment_by_patches: stride and batch_size must be at least 1, got {stride} and {batch_size}"
        )
    height, width = image.shape[-2:]
    rows, columns = torch.arange(0, height, stride), torch.arange(0, width, stride)
    centers = torch.cartesian_prod(rows, columns).to(image.device)  # [h w, 2]
    labels = []
    for some in centers.split(batch_size):
        scores = classify(extract_patches(image, some, size))  # [N, K]
        if scores.ndim != 2 or len(scores) != len(some):
            raise ValueError(
                f"segment_by_patches: classify must return [{len(some)}, K], it returned {list(scores.shape)}"
            )
        if scores.isnan().any():
            raise ValueError("segment_by_patches: classify returned NaN: look at the image and the weights")
        labels.append(scores.argmax(dim=1))  # [N]
    return torch.cat(labels).view(len(rows), len(columns))  # [h, w]


class PatchClassifier(nn.Module):
    """A network for patches; the class it names is the class of the patch's centre.

    Farabet et al. train on patches drawn as often from each class, for background would drown the rest. Such a
    network takes every class for equally likely. `classify` corrects that by Bayes' rule: it adds ``log_prior``,
    the logarithm of how often a class occurs among pixels over how often it was drawn (see
    `detseg.training.patches.PatchBatches`).

    Where the paper looks at three scales of the image, this network looks at one.
    """

    log_prior: Tensor

    def __init__(
        self,
        backbone: MiniVGG,
        num_classes: int = 6,
        size: int = 49,
        hidden: int = 128,
        segment_by_patches: Callable[..., Tensor] = segment_by_patches,
    ) -> None:
        """Build the fully connected layers.

        Args:
            backbone: features of a patch.
            num_classes: K, background included.
            size: side of a patch, odd (the paper: 46).
            hidden: width of the fully connected layer.
            segment_by_patches: see above; an argument, so that a learner's own can do the work.
        """
        super().__init__()
        if size % 2 == 0 or size < backbone.stride:
            raise ValueError(f"PatchClassifier: size must be odd and at least {backbone.stride}, got {size}")
        self.backbone = backbone
        self.num_classes = num_classes
        self.size = size
        self.segment_by_patches = segment_by_patches
        cells = size // backbone.stride
        self.fc1 = nn.Linear(backbone.channels * cells**2, hidden)
        self.dropout = nn.Dropout(0.2)
        self.fc2 = nn.Linear(hidden, num_classes)
        self.register_buffer("log_prior", torch.zeros(num_classes))

    def forward(self, patches: Tensor) -> Tensor:
        """Class logits ``[N, K]`` of normalised patches ``[N, 3, size, size]``; all classes count as equally likely."""
        check_images(patches, "PatchClassifier")
        features = self.backbone(patches.to(memory_format=torch.channels_last))  # [N, C, size / 8, size / 8]
        hidden = F.relu(self.fc1(features.flatten(1)))  # [N, hidden]
        logits: Tensor = self.fc2(self.dropout(hidden))
        return logits

    def classify(self, patches: Tensor) -> Tensor:
        """Class logits ``[N, K]``, corrected for how often each class occurs."""
        return self(patches) + self.log_prior

    def losses(self, patches: Tensor, labels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """``{"class": scalar}``, cross-entropy: patches ``[N, 3, size, size]``, labels ``[N]`` of their centres.

        Nothing is sampled here, so ``generator`` is not used.
        """
        check_labels(labels, self.num_classes)
        return {"class": F.cross_entropy(self(patches), labels)}

    @torch.no_grad()
    def predict(self, images: Tensor, stride: int = 4) -> Tensor:
        """The class of every pixel, int64 ``[N, H, W]``, of normalised images; leaves evaluation mode on.

        With ``stride`` above 1 only every so many rows and columns are classified, and each pixel takes the
        nearest of them.
        """
        check_images(images, "PatchClassifier")
        self.eval()
        height, width = images.shape[2:]
        coarse = [self.segment_by_patches(image, self.classify, self.size, stride) for image in images]
        expected = [-(-height // stride), -(-width // stride)]
        for labels in coarse:
            if list(labels.shape) != expected:
                raise ValueError(
                    f"segment_by_patches must return {expected} for stride {stride}, it returned {list(labels.shape)}"
                )
        row = ((torch.arange(height) + stride // 2) // stride).clamp(max=expected[0] - 1)  # [H]
        column = ((torch.arange(width) + stride // 2) // stride).clamp(max=expected[1] - 1)  # [W]
        return torch.stack(coarse)[:, row[:, None], column]  # [N, H, W]

    @property
    def recipe(self) -> dict[str, Any]:
        """What a saved training run must share to be resumed."""
        return {"size": self.size, "segment_by_patches": fingerprint(self.segment_by_patches)}
