import pytest
import torch
from torch import Tensor

from detseg.layers import max_pool_with_switches, max_unpool
from detseg.losses import pixel_cross_entropy
from detseg.models.backbone import MiniVGG, normalise
from detseg.models.deconvnet import DeconvNet


def scenes() -> tuple[Tensor, Tensor]:
    """Two noisy images [2, 3, 40, 64] with a coloured block each, and their class masks."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(90, 140, (2, 3, 40, 64), dtype=torch.uint8, generator=generator)
    class_masks = torch.zeros(2, 40, 64, dtype=torch.int64)
    for index, (label, top, left) in enumerate([(1, 4, 8), (5, 12, 30)]):
        images[index, label % 3, top : top + 20, left : left + 24] = 45 * label
        class_masks[index, top : top + 20, left : left + 24] = label
    class_masks[0, :, 0] = 255
    return normalise(images), class_masks


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("size", [(40, 64), (37, 51), (16, 23)])
def test_every_pixel_gets_its_scores_whatever_the_size(size):
    model = DeconvNet(MiniVGG()).eval()
    images = normalise(torch.zeros(2, 3, *size, dtype=torch.uint8))
    assert model(images).shape == (2, 6, *size)
    assert model.predict(images).shape == (2, *size)


def test_losses_fall_when_two_scenes_are_learned_by_heart():
    torch.manual_seed(0)
    model, (images, class_masks) = DeconvNet(MiniVGG()), scenes()
    optimiser, totals = torch.optim.AdamW(model.parameters(), lr=2e-2), []
    for _ in range(20):
        loss = model.losses(images, class_masks, generator())["pixel"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    assert sum(totals[-3:]) < 0.25 * sum(totals[:3])
    valid = class_masks != 255
    assert (model(images).argmax(1)[valid] == class_masks[valid]).double().mean() > 0.9


def test_the_learners_functions_do_the_work_last_pooled_first_unpooled():
    calls = []

    def pool(features, kernel_size):
        assert features.is_contiguous()
        calls.append(("pool", tuple(features.shape[2:])))
        return max_pool_with_switches(features, kernel_size)

    def unpool(pooled, switches, output_size):
        assert pooled.is_contiguous()
        assert pooled.shape == switches.shape
        calls.append(("unpool", tuple(output_size)))
        return max_unpool(pooled, switches, output_size)

    def loss(logits, target):
        calls.append(("loss", tuple(logits.shape[2:])))
        return pixel_cross_entropy(logits, target)

    torch.manual_seed(0)
    model = DeconvNet(MiniVGG(), max_pool_with_switches=pool, max_unpool=unpool, pixel_cross_entropy=loss)
    torch.manual_seed(0)
    reference = DeconvNet(MiniVGG())
    images, class_masks = scenes()
    assert model.losses(images, class_masks, generator()) == reference.losses(
        images, class_masks, generator()
    )
    sizes = [(40, 64), (20, 32), (10, 16), (5, 8)]
    assert calls == [
        *(("pool", size) for size in sizes),
        *(("unpool", size) for size in reversed(sizes)),
        ("loss", (40, 64)),
    ]
    assert model.recipe != reference.recipe


def test_an_unpooling_of_the_wrong_size_is_named():
    def unpool(pooled, switches, output_size):
        return max_unpool(pooled, switches, output_size)[..., :-1]

    with pytest.raises(
        ValueError, match=r"max_unpool must return \[2, 128, 5, 8\], it returned \[2, 128, 5, 7\]"
    ):
        DeconvNet(MiniVGG(), max_unpool=unpool)(scenes()[0])


def test_bad_input_is_named():
    images, class_masks = scenes()
    with pytest.raises(TypeError, match=r"DeconvNet: images are torch\.uint8"):
        DeconvNet(MiniVGG()).predict(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"class masks must be \[2, 40, 64\]"):
        DeconvNet(MiniVGG()).losses(images, class_masks[:1], generator())
