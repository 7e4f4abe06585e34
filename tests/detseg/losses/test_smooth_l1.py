import pytest
import torch
from torch.nn import functional as F

from detseg.losses import smooth_l1


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("beta", [0.0, 1 / 9, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(), (0, 4), (7, 4), (3, 1, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_torch(shape, beta, dtype):
    pred, target = (random(*shape, seed=s).to(dtype).requires_grad_() for s in (0, 1))
    ours, oracle = smooth_l1(pred, target, beta), F.smooth_l1_loss(pred, target, reduction="none", beta=beta)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, oracle)
    for mine, theirs in zip(
        *(torch.autograd.grad(y.sum(), (pred, target)) for y in (ours, oracle)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_gradient_where_they_agree_and_far_away(beta):
    pred = torch.tensor([0.0, 1e30, -1e30, 1.0], requires_grad=True)
    smooth_l1(pred, torch.zeros(4), beta).sum().backward()
    assert pred.grad.tolist() == [0, 1, -1, 1]


def test_only_one_side_needs_a_gradient():
    target = random(5, seed=1).requires_grad_()
    smooth_l1(random(5), target).sum().backward()
    oracle = torch.autograd.grad(F.smooth_l1_loss(random(5), target, reduction="sum"), target)[0]
    torch.testing.assert_close(target.grad, oracle)


def test_gradcheck():
    pred, target = random(6).double().requires_grad_(), random(6, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p, t: smooth_l1(p, t, 0.5), (pred, target))


def test_views_and_half():
    pred, target = random(6, 8), random(8, 6, seed=1).T
    torch.testing.assert_close(smooth_l1(pred, target), F.smooth_l1_loss(pred, target, reduction="none"))
    half = smooth_l1(pred.half(), target.half())
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), smooth_l1(pred, target), atol=2e-2, rtol=1e-2)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="one shape"):
        smooth_l1(torch.zeros(3, 1), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="beta"):
        smooth_l1(torch.zeros(3), torch.zeros(3), -1.0)
    with pytest.raises(TypeError, match="floating point"):
        smooth_l1(torch.zeros(3), torch.zeros(3, dtype=torch.int64))
