import pytest
import torch
from torch.nn import functional as F

from detseg.losses import localisation_loss


def problem(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, 4, generator=generator, requires_grad=True),
        torch.randn(count, 4, generator=generator, requires_grad=True),
        torch.randint(0, 4, (count,), generator=generator),
        torch.randn(count, 4, generator=generator),
    )


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_equals_a_loop(weight):
    logits, boxes, labels, targets = problem(12)
    assert {0} < set(labels.tolist())
    oracle = F.cross_entropy(logits, labels)
    for i, label in enumerate(labels.tolist()):
        if label:
            oracle = oracle + weight * ((boxes[i] - targets[i]) ** 2).sum() / 12
    loss = localisation_loss(logits, boxes, labels, targets, weight)
    torch.testing.assert_close(loss, oracle)
    for mine, theirs in zip(*(torch.autograd.grad(x, (logits, boxes)) for x in (loss, oracle)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_background_has_no_box():
    logits, boxes, _, targets = problem(3)
    loss = localisation_loss(logits, boxes, torch.zeros(3, dtype=torch.int64), targets * float("nan"))
    assert loss.isfinite()
    loss.backward()
    assert boxes.grad.eq(0).all()


def test_no_images():
    logits, boxes, labels, targets = problem(0)
    loss = localisation_loss(logits, boxes, labels, targets)
    assert loss.item() == 0
    loss.backward()


def test_bad_input_is_named():
    logits, boxes, labels, targets = problem(3)
    with pytest.raises(ValueError, match="pred_boxes"):
        localisation_loss(logits, boxes[:1], labels, targets)
    with pytest.raises(ValueError, match="class_logits and labels"):
        localisation_loss(logits, boxes, labels[:1], targets)
    with pytest.raises(ValueError, match=r"0 \.\. 3"):
        localisation_loss(logits, boxes, labels + 4, targets)
