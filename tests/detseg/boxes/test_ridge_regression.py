import pytest
import torch

from detseg.boxes import ridge_regression


def problem(n, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) + 3, torch.randn(n, 4, generator=generator) - 2


@pytest.mark.parametrize(("n", "d"), [(40, 5), (4, 9), (1, 3)])
@pytest.mark.parametrize("l2", [0.5, 100.0])
def test_the_gradient_vanishes_at_the_solution(n, d, l2):
    features, targets = (t.double() for t in problem(n, d))
    weight, bias = (t.requires_grad_() for t in ridge_regression(features, targets, l2))
    (((features @ weight + bias - targets) ** 2).sum() + l2 * (weight**2).sum()).backward()
    assert weight.grad.abs().max() < 1e-8
    assert bias.grad.abs().max() < 1e-8


def test_without_a_price_it_is_least_squares():
    features, targets = problem(30, 6)
    weight, bias = ridge_regression(features, targets, 0.0)
    with_ones = torch.cat([features, torch.ones(30, 1)], dim=1)
    oracle = torch.linalg.lstsq(with_ones.double(), targets.double()).solution.float()
    torch.testing.assert_close(torch.cat([weight, bias[None]]), oracle, atol=1e-5, rtol=1e-4)
    assert weight.dtype == torch.float32


def test_bad_input_is_named():
    features, targets = problem(6, 3)
    with pytest.raises(ValueError, match="N > 0"):
        ridge_regression(features[:0], targets[:0], 1.0)
    with pytest.raises(ValueError, match="finite"):
        ridge_regression(features * float("nan"), targets, 1.0)
    with pytest.raises(ValueError, match="negative"):
        ridge_regression(features, targets, -1.0)
    with pytest.raises(ValueError, match="l2 > 0"):
        ridge_regression(torch.zeros(6, 3), targets, 0.0)
