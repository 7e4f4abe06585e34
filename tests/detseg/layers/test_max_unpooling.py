import pytest
import torch
from torch.nn import functional as F

from detseg.layers import max_pool_with_switches, max_unpool


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 10), (3, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_there_and_back_equals_torch(size, kernel_size, dtype):
    x = random(2, 3, *size).to(dtype)
    pooled, switches = max_pool_with_switches(x, kernel_size)
    oracle, indices = F.max_pool2d(x, kernel_size, return_indices=True)
    assert pooled.equal(oracle)
    assert switches.equal(indices)
    restored = max_unpool(pooled, switches, size)
    assert restored.dtype == dtype
    assert restored.equal(F.max_unpool2d(oracle, indices, kernel_size, output_size=size))


def test_the_first_of_equal_maxima_wins():
    assert max_pool_with_switches(torch.zeros(1, 1, 2, 4), 2)[1].tolist() == [[[[0, 2]]]]


def test_gradient_is_read_at_the_switches():
    pooled = random(2, 3, 3, 4).requires_grad_()
    switches = max_pool_with_switches(random(2, 3, 7, 8, seed=1), 2)[1]
    weights = random(2, 3, 7, 8, seed=2)
    (max_unpool(pooled, switches, (7, 8)) * weights).sum().backward()
    assert pooled.grad.equal(weights.flatten(2).gather(2, switches.flatten(2)).view_as(pooled))


def test_views_and_nothing():
    x = random(2, 3, 8, 6).transpose(2, 3)
    pooled, switches = max_pool_with_switches(x, 2)
    assert max_unpool(pooled, switches, (6, 8)).amax() == x.amax()
    assert max_unpool(pooled[:0], switches[:0], (6, 8)).shape == (0, 3, 6, 8)


def test_bad_input_is_named():
    pooled, switches = max_pool_with_switches(random(1, 2, 6, 8), 2)
    with pytest.raises(TypeError, match="int64"):
        max_unpool(pooled, switches.int(), (6, 8))
    with pytest.raises(ValueError, match="do not fit output_size 3 x 4"):
        max_unpool(pooled, switches, (3, 4))
    with pytest.raises(ValueError, match="must both be"):
        max_unpool(pooled, switches[:, :1], (6, 8))
    with pytest.raises(ValueError, match="kernel_size"):
        max_pool_with_switches(random(1, 2, 6, 8), 7)
    with pytest.raises(ValueError, match=r"\[N, C, H, W\]"):
        max_pool_with_switches(random(2, 6, 8), 2)
