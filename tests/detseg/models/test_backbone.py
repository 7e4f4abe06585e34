import pytest
import torch

from detseg.models.backbone import MiniVGG, backbone, normalise


def test_features_have_an_eighth_of_the_size():
    features = MiniVGG()(torch.zeros(2, 3, 40, 64))
    assert features.shape == (2, MiniVGG.channels, 40 // MiniVGG.stride, 64 // MiniVGG.stride)


def test_size_is_small():
    assert 400_000 < sum(p.numel() for p in MiniVGG().parameters()) < 450_000


def test_normalise_is_channels_last_and_leaves_its_input_alone():
    images = torch.randint(
        0, 256, (2, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    before = images.clone()
    floats = normalise(images)
    assert floats.dtype == torch.float32
    assert floats.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(floats, (images.double() / 60 - 118 / 60).float())
    assert torch.equal(images, before)


def test_normalise_names_the_mistake():
    with pytest.raises(TypeError, match="uint8"):
        normalise(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"image\[None\]"):
        normalise(torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_pretrained_weights_differ_from_first_weights_and_are_always_the_same():
    first, second = backbone(), backbone()
    assert torch.equal(first.conv1[0].weight, second.conv1[0].weight)
    assert not torch.equal(first.conv1[0].weight, backbone(pretrained=False).conv1[0].weight)
    assert first.conv1[0].weight.dtype == torch.float32
