import pytest
import torch
from torch.nn import functional as F

from detseg.losses import hard_negatives, hinge_loss


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [0, 1, 20])
def test_hinge_loss_equals_torch(count):
    scores, weight = random(count).requires_grad_(), random(7, seed=1).requires_grad_()
    targets = torch.where(random(count, seed=2) > 0, 1.0, -1.0)
    loss = hinge_loss(scores, targets, weight, 0.25)
    oracle = (
        0.5 * weight @ weight
        + 0.25
        * F.multi_margin_loss(
            torch.stack([torch.zeros(count), scores * targets], dim=1),
            torch.ones(count, dtype=torch.int64),
            reduction="sum",
        )
        * 2
        if count
        else 0.5 * weight @ weight
    )
    torch.testing.assert_close(loss, oracle)
    loss.backward()
    inside = targets * scores.detach() < 1
    torch.testing.assert_close(scores.grad, -0.25 * targets * inside)
    torch.testing.assert_close(weight.grad, weight.detach())


def test_hinge_loss_names_bad_input():
    one = torch.ones(3)
    with pytest.raises(ValueError, match=r"-1 or \+1"):
        hinge_loss(one, torch.tensor([0.0, 1, 1]), one, 1.0)
    with pytest.raises(ValueError, match="scores, targets and weight"):
        hinge_loss(one, torch.ones(2), one, 1.0)
    with pytest.raises(ValueError, match="c must not be negative"):
        hinge_loss(one, one, one, -1.0)


def test_hard_negatives_by_hand():
    scores = torch.tensor([0.5, -0.5, 2.0, -1.0, 0.5, 3.0, -2.0])
    negative = torch.tensor([True, True, True, True, True, False, True])
    assert hard_negatives(scores, negative, 10).tolist() == [2, 0, 4, 1]
    assert hard_negatives(scores, negative, 2).tolist() == [2, 0]
    assert hard_negatives(scores, negative, 0).tolist() == []
    assert hard_negatives(scores[:0], negative[:0], 3).dtype == torch.int64


def test_hard_negatives_names_bad_input():
    with pytest.raises(TypeError, match="bool"):
        hard_negatives(torch.zeros(2), torch.zeros(2), 1)
    with pytest.raises(ValueError, match="scores"):
        hard_negatives(torch.zeros(2), torch.zeros(3, dtype=torch.bool), 1)
    with pytest.raises(ValueError, match="limit"):
        hard_negatives(torch.zeros(2), torch.zeros(2, dtype=torch.bool), -1)
