import pytest
import torch
from torch import Tensor

from detseg.models.backbone import MiniVGG, normalise
from detseg.models.patch_classifier import PatchClassifier, extract_patches, segment_by_patches


def patches_by_loop(image: Tensor, centers: Tensor, size: int) -> Tensor:
    """One pixel after the other."""
    channels, height, width = image.shape
    patches = torch.zeros(len(centers), channels, size, size, dtype=image.dtype)
    for index, (row, column) in enumerate(centers.tolist()):
        for down in range(size):
            for right in range(size):
                y, x = row + down - size // 2, column + right - size // 2
                if 0 <= y < height and 0 <= x < width:
                    patches[index, :, down, right] = image[:, y, x]
    return patches


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.uint8])
def test_patches_are_what_a_loop_cuts_out(size, dtype):
    generator = torch.Generator().manual_seed(0)
    image = (torch.rand(2, 5, 8, generator=generator) * 200).to(dtype)
    centers = torch.tensor([[0, 0], [4, 7], [2, 3], [2, 3], [0, 7]])
    assert torch.equal(extract_patches(image, centers, size), patches_by_loop(image, centers, size))
    turned = image.transpose(1, 2)  # not contiguous
    assert torch.equal(
        extract_patches(turned, centers.flip(1), size), patches_by_loop(turned, centers.flip(1), size)
    )
    assert extract_patches(image, centers[:0], size).shape == (0, 2, size, size)


def test_bad_centers_and_sizes_are_named():
    image = torch.zeros(1, 4, 6)
    with pytest.raises(ValueError, match="odd"):
        extract_patches(image, torch.tensor([[0, 0]]), 4)
    with pytest.raises(ValueError, match=r"outside the image \[4, 6\]"):
        extract_patches(image, torch.tensor([[4, 0]]), 3)
    with pytest.raises(TypeError, match="integers"):
        extract_patches(image, torch.tensor([[1.0, 0.0]]), 3)
    with pytest.raises(ValueError, match=r"\[N, 2\]"):
        extract_patches(image, torch.tensor([1, 0]), 3)
    with pytest.raises(ValueError, match=r"\[C, H, W\]"):
        extract_patches(image[0], torch.tensor([[1, 0]]), 3)
    with pytest.raises(ValueError, match="stride"):
        segment_by_patches(image, lambda patches: patches.flatten(1), 3, stride=0)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_each_centre_is_classified_by_its_own_patch(stride):
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 4, (1, 7, 10), generator=generator)
    sizes = []

    def centre_value(patches: Tensor) -> Tensor:
        sizes.append(len(patches))
        return torch.nn.functional.one_hot(patches[:, 0, 2, 2], 4).float()

    labels = segment_by_patches(image, centre_value, 5, stride, batch_size=12)
    assert torch.equal(labels, image[0, ::stride, ::stride])
    assert max(sizes) <= 12


def model(**options) -> PatchClassifier:
    torch.manual_seed(0)
    return PatchClassifier(MiniVGG(), size=17, hidden=16, **options)


def test_the_prior_moves_the_decision_by_bayes_rule():
    network = model().eval()
    patches = torch.randn(5, 3, 17, 17, generator=torch.Generator().manual_seed(0))
    network.log_prior.copy_(torch.tensor([2.0, 0, 0, -1, 0, 0]))
    ratio = network.classify(patches).softmax(1) / network(patches).softmax(1)  # [5, K]
    torch.testing.assert_close((ratio[:, 0] / ratio[:, 3]).log(), torch.full((5,), 3.0))


def test_pixels_between_the_centres_take_the_nearest():
    def by_position(image, classify, size, stride):
        assert classify == network.classify
        assert size == 17
        rows, columns = -(-image.shape[1] // stride), -(-image.shape[2] // stride)
        return torch.arange(rows * columns).view(rows, columns)

    network = model(segment_by_patches=by_position)
    labels = network.predict(torch.zeros(1, 3, 6, 9), stride=4)  # centres at rows 0, 4 and columns 0, 4, 8
    assert labels[0, :, 0].tolist() == [0, 0, 3, 3, 3, 3]
    assert labels[0, 0].tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2]


def test_a_segmentation_of_the_wrong_size_is_named():
    network = model(segment_by_patches=lambda image, classify, size, stride: torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"must return \[3, 4\] for stride 2, it returned \[2, 2\]"):
        network.predict(torch.zeros(1, 3, 5, 8), stride=2)
    with pytest.raises(ValueError, match="odd"):
        PatchClassifier(MiniVGG(), size=48)


def test_losses_fall_when_patches_are_learned_by_heart():
    network = model()
    labels = torch.arange(24) % 6
    images = torch.randint(
        90, 140, (24, 3, 17, 17), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    images[torch.arange(24), labels % 3, 6:11, 6:11] = (40 * labels + 20).to(torch.uint8)[:, None, None]
    optimiser, totals = torch.optim.AdamW(network.parameters(), lr=3e-3), []
    for _ in range(40):
        loss = network.losses(normalise(images), labels, torch.Generator())["class"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    assert sum(totals[-3:]) < 0.25 * sum(totals[:3])
