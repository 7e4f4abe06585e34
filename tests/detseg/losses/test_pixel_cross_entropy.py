import pytest
import torch
from torch.nn import functional as F

from detseg.losses import pixel_cross_entropy


def problem(batch, classes, height, width, seed=0, ignored=0.2):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, classes, height, width, generator=generator) * 3
    target = torch.randint(0, classes, (batch, height, width), generator=generator)
    return logits, target.masked_fill(torch.rand(target.shape, generator=generator) < ignored, 255)


@pytest.mark.parametrize("size", [(1, 2, 1, 1), (2, 6, 5, 8), (3, 1, 4, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_torch(size, dtype):
    logits, target = problem(*size)
    target[0, 0, 0] = 0
    ours, theirs = (logits.to(dtype).requires_grad_() for _ in range(2))
    loss, oracle = pixel_cross_entropy(ours, target), F.cross_entropy(theirs, target, ignore_index=255)
    assert loss.dtype == dtype
    torch.testing.assert_close(loss, oracle)
    loss.backward()
    oracle.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_huge_logits_do_not_overflow():
    logits = torch.tensor([[[[1e4, -1e4]], [[-1e4, 1e4]]]], requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.tensor([[[0, 0]]]))
    assert loss.item() == 1e4
    loss.backward()
    assert logits.grad.isfinite().all()


def test_another_label_may_be_ignored():
    logits, target = problem(2, 4, 3, 5, ignored=0)
    torch.testing.assert_close(
        pixel_cross_entropy(logits, target, 0), F.cross_entropy(logits, target, ignore_index=0)
    )
    torch.testing.assert_close(
        pixel_cross_entropy(logits, target.masked_fill(target == 1, -100), -100),
        F.cross_entropy(logits, target.masked_fill(target == 1, -100)),
    )


@pytest.mark.parametrize("batch", [0, 2])
def test_without_valid_pixels_it_is_0_with_a_graph(batch):
    logits = torch.randn(batch, 3, 4, 5, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((batch, 4, 5), 255))
    assert loss.item() == 0
    loss.backward()
    assert logits.grad.eq(0).all()


def test_uint8_targets_half_logits_and_views():
    logits, target = problem(2, 3, 4, 6)
    expected = pixel_cross_entropy(logits, target)
    torch.testing.assert_close(pixel_cross_entropy(logits, target.byte()), expected)
    assert pixel_cross_entropy(logits.half(), target).dtype == torch.float16
    last = logits.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(pixel_cross_entropy(last, target.mT.contiguous().mT), expected)


def test_bad_input_is_named():
    logits, target = problem(2, 3, 4, 6)
    with pytest.raises(ValueError, match=r"target \[N, H, W\]"):
        pixel_cross_entropy(logits, target.mT)
    with pytest.raises(ValueError, match=r"0 \.\. 2 or 255"):
        pixel_cross_entropy(logits, target.masked_fill(target == 0, 3))
    with pytest.raises(TypeError, match="integers"):
        pixel_cross_entropy(logits, target.float())
