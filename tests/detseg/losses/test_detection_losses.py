import pytest
import torch
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import fastrcnn_loss

from detseg.losses import fast_rcnn_loss, joint_loss, rpn_loss


def head(count, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator, requires_grad=True)
    deltas = torch.randn(count, classes, 4, generator=generator, requires_grad=True)
    labels = torch.randint(0, classes, (count,), generator=generator)
    return logits, deltas, labels, torch.randn(count, 4, generator=generator)


@pytest.mark.parametrize("count", [1, 9, 40])
def test_fast_rcnn_loss_equals_torchvision(count):
    logits, deltas, labels, targets = head(count, 5)
    ours = fast_rcnn_loss(logits, deltas, labels, targets, beta=1 / 9)
    oracle = fastrcnn_loss(logits, deltas.flatten(1), [labels], [targets])
    for mine, theirs in zip(ours, oracle, strict=True):
        torch.testing.assert_close(mine, theirs)
    for mine, theirs in zip(
        torch.autograd.grad(sum(ours), (logits, deltas)),
        torch.autograd.grad(sum(oracle), (logits, deltas)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("count", [0, 4])
def test_without_positives_the_box_loss_is_0_with_a_graph(count):
    logits, deltas, _, targets = head(count, 3)
    parts = fast_rcnn_loss(logits, deltas, torch.zeros(count, dtype=torch.int64), targets * float("nan"))
    assert parts[1].item() == 0
    assert all(part.dim() == 0 and part.requires_grad for part in parts)
    sum(parts).backward()
    assert deltas.grad.eq(0).all()
    assert parts[0].isfinite()


def test_fast_rcnn_loss_names_bad_input():
    logits, deltas, labels, targets = head(4, 3)
    with pytest.raises(ValueError, match=r"class_logits must be \[R, K\]"):
        fast_rcnn_loss(logits[0], deltas, labels, targets)
    with pytest.raises(ValueError, match=r"deltas must be \[4, 3, 4\]"):
        fast_rcnn_loss(logits, deltas.flatten(1), labels, targets)
    with pytest.raises(ValueError, match="target_deltas"):
        fast_rcnn_loss(logits, deltas, labels, targets[:1])
    with pytest.raises(ValueError, match=r"labels must be 0 \.\. 2"):
        fast_rcnn_loss(logits, deltas, labels - 1 + labels.eq(0) * -2, targets)
    with pytest.raises(TypeError, match="int64"):
        fast_rcnn_loss(logits, deltas, labels.float(), targets)


def rpn(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    objectness = torch.randn(count, generator=generator, requires_grad=True)
    deltas = torch.randn(count, 4, generator=generator, requires_grad=True)
    matched = torch.randint(-2, 4, (count,), generator=generator)
    return objectness, deltas, matched, torch.randn(count, 4, generator=generator)


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_rpn_loss_equals_the_sums(beta):
    objectness, deltas, matched, targets = rpn(50)
    sampled = torch.where(matched > -2)[0][::2]
    ours = rpn_loss(objectness, deltas, matched, targets, sampled, beta)
    positive = sampled[matched[sampled] >= 0]
    assert 0 < len(positive) < len(sampled)
    is_object = (matched[sampled] >= 0).float()
    oracle = (
        F.binary_cross_entropy_with_logits(objectness[sampled], is_object),
        F.smooth_l1_loss(deltas[positive], targets[positive], reduction="sum", beta=beta) / len(sampled),
    )
    for mine, theirs in zip(ours, oracle, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("nothing", ["no samples", "no positives"])
def test_rpn_loss_of_nothing_is_0_with_a_graph(nothing):
    objectness, deltas, _, targets = rpn(8)
    sampled = torch.arange(0 if nothing == "no samples" else 8)
    parts = rpn_loss(objectness, deltas, torch.full((8,), -1), targets * float("nan"), sampled)
    assert parts[1].item() == 0
    assert all(part.requires_grad and part.isfinite() for part in parts)
    sum(parts).backward()


def test_rpn_loss_names_bad_input():
    objectness, deltas, matched, targets = rpn(8)
    matched[0] = -2
    sampled = torch.tensor([0])
    with pytest.raises(ValueError, match="not ignored"):
        rpn_loss(objectness, deltas, matched, targets, sampled)
    with pytest.raises(ValueError, match="sampled must name anchors"):
        rpn_loss(objectness, deltas, matched, targets, sampled + 8)
    with pytest.raises(ValueError, match="objectness"):
        rpn_loss(objectness[:3], deltas, matched, targets, sampled)
    with pytest.raises(TypeError, match="int64"):
        rpn_loss(objectness, deltas, matched, targets, sampled.bool())


def test_joint_loss_adds_four_parts():
    parts = [torch.tensor(float(i), requires_grad=True) for i in (1, 2, 3, 4)]
    total, by_name = joint_loss(*parts, weights=(1.0, 10.0, 100.0, 1000.0))
    assert total.item() == 4321
    assert list(by_name) == ["rpn_objectness", "rpn_box", "head_class", "head_box"]
    assert all(value is part for value, part in zip(by_name.values(), parts, strict=True))
    total.backward()
    assert [part.grad.item() for part in parts] == [1, 10, 100, 1000]
    assert joint_loss(*parts)[0].item() == 10


def test_joint_loss_names_bad_input():
    one = torch.tensor(1.0)
    with pytest.raises(ValueError, match="head_class must be a scalar"):
        joint_loss(one, one, torch.ones(2), one)
    with pytest.raises(ValueError, match="four numbers"):
        joint_loss(one, one, one, one, weights=(1.0, 1.0))
