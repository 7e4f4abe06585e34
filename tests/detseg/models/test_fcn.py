import pytest
import torch
from torch import Tensor

from detseg.layers import bilinear_kernel, conv_transpose2d, fuse_skip
from detseg.losses import pixel_cross_entropy
from detseg.models.backbone import MiniVGG, normalise
from detseg.models.fcn import FCN, FullResolutionFCN


def scenes(height: int = 48, width: int = 80) -> tuple[Tensor, Tensor]:
    """Two noisy images with two coloured blocks each, and their class masks; a strip at the bottom is ignored."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(90, 140, (2, 3, height, width), dtype=torch.uint8, generator=generator)
    class_masks = torch.zeros(2, height, width, dtype=torch.int64)
    for index, (label, top, left) in enumerate([(1, 4, 8), (2, 20, 40)]):
        for other in (label, label + 2):
            images[index, other % 3, top : top + 16, left : left + 24] = 50 * other
            class_masks[index, top : top + 16, left : left + 24] = other
            top, left = (top + 18) % (height - 16), (left + 30) % (width - 24)
    class_masks[:, -2:] = 255
    return normalise(images), class_masks


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def learn_by_heart(model, images, class_masks, steps: int) -> list[float]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(steps):
        loss = model.losses(images, class_masks, generator())["pixel"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    return totals


def agreement(predicted: Tensor, class_masks: Tensor) -> float:
    valid = class_masks != 255
    return (predicted[valid] == class_masks[valid]).double().mean().item()


@pytest.mark.parametrize("skips", range(4))
@pytest.mark.parametrize("size", [(48, 80), (37, 50), (9, 21)])
def test_every_pixel_gets_its_scores_whatever_the_size(skips, size):
    torch.manual_seed(0)
    model = FCN(MiniVGG(), skips=skips).eval()
    images = normalise(torch.zeros(2, 3, *size, dtype=torch.uint8))
    assert model(images).shape == (2, 6, *size)
    labels = model.predict(images)
    assert labels.shape == (2, *size)
    assert labels.dtype == torch.int64


def test_skips_add_nothing_at_first():
    """A zeroed skip leaves bilinear upsampling by 2, so all variants start from nearly the same coarse scores."""
    outputs = []
    for skips in range(4):
        torch.manual_seed(0)
        outputs.append(FCN(MiniVGG(), skips=skips).eval()(scenes()[0]))
    for output in outputs[1:]:  # in the interior; at the border each upsampling fades towards zero
        torch.testing.assert_close(
            output[..., 16:-16, 16:-16], outputs[0][..., 16:-16, 16:-16], atol=0.1, rtol=0.2
        )


def test_losses_fall_when_two_scenes_are_learned_by_heart():
    torch.manual_seed(0)
    model, (images, class_masks) = FCN(MiniVGG(), skips=3), scenes()
    totals = learn_by_heart(model, images, class_masks, 30)
    assert sum(totals[-3:]) < 0.25 * sum(totals[:3])
    model.train()
    assert agreement(model(images).argmax(1), class_masks) > 0.9


def test_the_full_resolution_network_learns_as_well():
    torch.manual_seed(0)
    model, (images, class_masks) = FullResolutionFCN(width=12, depth=4), scenes(35, 50)
    assert model(images).shape == (2, 6, 35, 50)
    totals = learn_by_heart(model, images, class_masks, 20)
    assert sum(totals[-3:]) < 0.7 * sum(totals[:3])
    assert model.predict(images).shape == (2, 35, 50)


def test_the_learners_functions_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    functions = (conv_transpose2d, bilinear_kernel, fuse_skip, pixel_cross_entropy)
    torch.manual_seed(0)
    model = FCN(MiniVGG(), skips=2, **{function.__name__: spy(function) for function in functions})
    torch.manual_seed(0)
    reference = FCN(MiniVGG(), skips=2)
    images, class_masks = scenes()
    torch.manual_seed(1)  # of the dropout
    theirs = model.losses(images, class_masks, generator())
    assert called == ["bilinear_kernel", "fuse_skip", "fuse_skip", "conv_transpose2d", "pixel_cross_entropy"]
    torch.manual_seed(1)
    assert theirs == reference.losses(images, class_masks, generator())
    assert model.recipe != reference.recipe


def test_layers_of_the_learner_get_contiguous_maps_and_their_shape_is_checked():
    def no_crop(coarse, skip):
        assert coarse.is_contiguous()
        assert skip.is_contiguous()
        return fuse_skip(coarse, skip)[..., :-1]

    images, _ = scenes()
    with pytest.raises(ValueError, match=r"must lead to \[2, 6, 48, 80\], they led to \[2, 6, 48, 72\]"):
        FCN(MiniVGG(), skips=1, fuse_skip=no_crop)(images)


def test_bad_input_is_named():
    model, (images, class_masks) = FCN(MiniVGG()), scenes()
    with pytest.raises(ValueError, match="skips must be 0, 1, 2 or 3, got 4"):
        FCN(MiniVGG(), skips=4)
    with pytest.raises(TypeError, match="normalise"):
        model(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"one image needs image\[None\]"):
        model(images[0])
    with pytest.raises(TypeError, match=r"\.long\(\)"):
        model.losses(images, class_masks.byte(), generator())
    with pytest.raises(ValueError, match=r"must be \[2, 48, 80\], as the images, got \[2, 80, 48\]"):
        model.losses(images, class_masks.transpose(1, 2), generator())
    with pytest.raises(ValueError, match=r"0 \.\. 5 or 255"):
        model.losses(images, class_masks + 3, generator())
