import pytest
import torch
from torch.nn import functional as F

from detseg.layers import bilinear_kernel, conv_transpose2d
from detseg.layers.transposed_conv import paint_kernels


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(1, 1, 0), (3, 1, 1), (2, 2, 0), (4, 2, 1), (3, 3, 0), (5, 2, 2), (2, 3, 0)],
)
@pytest.mark.parametrize(("batch", "size"), [(2, (5, 7)), (1, (1, 4)), (0, (3, 4))])
def test_equals_torch(batch, size, kernel, stride, padding):
    x, weight = (
        random(batch, 3, *size).requires_grad_(),
        random(3, 4, kernel, kernel, seed=1).requires_grad_(),
    )
    ours, oracle = (
        conv_transpose2d(x, weight, stride, padding),
        F.conv_transpose2d(x, weight, None, stride, padding),
    )
    assert ours.shape == oracle.shape
    torch.testing.assert_close(ours, oracle, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(paint_kernels(x, weight, stride, padding), oracle, atol=1e-5, rtol=1e-5)
    grad = random(*oracle.shape, seed=2)
    for mine, theirs in zip(
        *(torch.autograd.grad(y, (x, weight), grad) for y in (ours, oracle)), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_float64_and_views():
    x, weight = (
        random(2, 3, 6, 5, dtype=torch.float64).transpose(2, 3),
        random(3, 2, 4, 4, dtype=torch.float64),
    )
    torch.testing.assert_close(conv_transpose2d(x, weight, 2, 1), F.conv_transpose2d(x, weight, None, 2, 1))


def test_a_kernel_that_is_not_square():
    x, weight = random(2, 3, 6, 5), random(3, 2, 3, 5)
    oracle = F.conv_transpose2d(x, weight, None, 2, 1)
    torch.testing.assert_close(conv_transpose2d(x, weight, 2, 1), oracle, atol=1e-5, rtol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="C_in"):
        conv_transpose2d(torch.zeros(1, 3, 4, 5), torch.zeros(4, 3, 2, 2))
    with pytest.raises(ValueError, match="stride"):
        conv_transpose2d(torch.zeros(1, 3, 4, 5), torch.zeros(3, 3, 2, 2), stride=0)
    with pytest.raises(ValueError, match="cuts everything away"):
        conv_transpose2d(torch.zeros(1, 3, 1, 1), torch.zeros(3, 3, 2, 2), padding=1)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8])
def test_bilinear_kernel_interpolates(factor):
    x = random(1, 3, 6, 7)
    kernel = bilinear_kernel(3, factor)
    assert kernel.dtype == torch.float32
    assert kernel.shape == (3, 3, 2 * factor - factor % 2, 2 * factor - factor % 2)
    padding = -(-(factor - 1) // 2)
    up = F.conv_transpose2d(x, kernel, stride=factor, padding=padding)
    oracle = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    assert up.shape == oracle.shape
    border = factor
    inside = (..., slice(border, -border), slice(border, -border))
    torch.testing.assert_close(up[inside], oracle[inside])


def test_bilinear_kernel_by_hand():
    hat = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert bilinear_kernel(2, 2)[1, 1].equal(hat[:, None] * hat)
    assert bilinear_kernel(2, 2)[0, 1].eq(0).all()
    with pytest.raises(ValueError, match="factor"):
        bilinear_kernel(2, 0)
