import pytest
import torch

from detseg.boxes import box_iou, ridge_regression
from detseg.losses import hard_negatives, hinge_loss
from detseg.models.backbone import backbone
from detseg.models.rcnn import RCNN
from detseg.training.rcnn_stages import (
    RegionFeatures,
    cache_features,
    fit_box_regressors,
    fit_svm,
    fit_svms,
)

BOXES = torch.tensor([[8.0, 4, 40, 30], [50, 10, 70, 40]])
TARGET = {"boxes": BOXES, "labels": torch.tensor([2, 1])}
EMPTY = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def scenes():
    pictures = torch.randint(0, 256, (3, 3, 48, 80), generator=generator()).to(torch.uint8)
    return list(zip(pictures, [TARGET, EMPTY, TARGET], strict=True))


PROPOSALS = [torch.cat([BOXES + 1, torch.tensor([[0.0, 0, 20, 20], [30, 20, 60, 45]])])] * 3


def model():
    torch.manual_seed(0)
    return RCNN(backbone(), num_classes=3, crop_size=32, context=4)


def test_features_of_proposals_and_true_boxes(tmp_path, capsys):
    detector, path = model(), tmp_path / "regions.safetensors"
    features = cache_features(detector, scenes(), PROPOSALS, path, progress=False)
    assert features.hidden.shape == (6 + 4 + 6, 256)
    assert features.true_labels.tolist() == [0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1]
    iou = box_iou(torch.cat([PROPOSALS[0], BOXES]), BOXES)
    torch.testing.assert_close(features.overlaps[:6], iou[:, [1, 0]])  # column 0 is class 1: the second box
    assert (features.overlaps[6:10] == 0).all()
    assert features.labels.tolist() == [2, 1, 2, 1] * 2  # jittered and true boxes, of two scenes
    assert (features.deltas[2:4] == 0).all()
    assert (features.deltas[:2, :2] < 0).all()  # the jittered boxes lie right of and below the true ones
    said = capsys.readouterr().out
    assert "features of 16 regions" in said
    assert "MB on disk" in said

    def refuse(*args):
        raise AssertionError("computed again")

    detector.pool = refuse
    again = cache_features(detector, scenes(), PROPOSALS, path, progress=False)
    assert torch.equal(again.hidden, features.hidden)
    detector.classify.weight.data += 1  # makes no features
    cache_features(detector, scenes(), PROPOSALS, path, progress=False)
    detector.layers[0].weight.data += 1
    with pytest.raises(AssertionError, match="computed again"):
        cache_features(detector, scenes(), PROPOSALS, path, progress=False)


def test_a_damaged_file_is_made_again(tmp_path):
    path = tmp_path / "regions.safetensors"
    cache_features(model(), scenes(), PROPOSALS, path, progress=False)
    path.write_bytes(path.read_bytes()[:-100])
    assert len(cache_features(model(), scenes(), PROPOSALS, path, progress=False).hidden) == 16


def clusters():
    """Two classes and plenty of background in a plane, as features [N, 256] whose other columns are 0."""
    draw = generator()
    labels = torch.tensor([1] * 40 + [2] * 40 + [0] * 3000)
    centres = torch.tensor([[0.0, 0], [8, 0], [0, 8]])
    points = centres[labels] + torch.randn(len(labels), 2, generator=draw)
    overlaps = torch.nn.functional.one_hot(labels, 3)[:, 1:].float()
    deltas = torch.stack([points[:, 0] * 0.5 + 1, points[:, 1], points[:, 0] * 0, points[:, 0] * 0 + 2], 1)
    hidden = torch.zeros(len(labels), 256)
    hidden[:, :2] = points
    pooled = torch.zeros(80, 128 * 4)
    pooled[:, :2] = points[:80]
    return RegionFeatures(hidden, overlaps, labels, pooled, deltas[:80], labels[:80])


def test_svms_part_the_classes_with_the_help_of_hard_negatives():
    detector, calls = model(), []

    def mined(scores, is_negative, limit):
        found = hard_negatives(scores, is_negative, limit)
        calls.append(len(found))
        return found

    features = clusters()
    fit_svms(detector, features, c=1.0, limit=50, hard_negatives=mined)
    assert len(calls) == 2 * 3
    scores = detector.svm_scores(features.hidden)
    assert ((scores > 0).float() == features.overlaps).float().mean() > 0.999


def test_an_svm_is_at_its_minimum():
    draw = generator(3)
    examples = torch.randn(200, 5, generator=draw)
    targets = (examples[:, 0] + 0.5 * torch.randn(200, generator=draw)).sign()
    weight, bias = fit_svm(examples, targets, c=0.1)
    best = hinge_loss(examples @ weight + bias, targets, weight, 0.1)
    for _ in range(50):
        other, shift = (
            weight + 0.05 * torch.randn(5, generator=draw),
            bias + 0.05 * torch.randn((), generator=draw),
        )
        assert hinge_loss(examples @ other + shift, targets, other, 0.1) > best - 1e-3


def test_box_regressors_find_a_linear_rule_for_each_class():
    detector, calls, features = model(), [], clusters()

    def ridge(*args):
        calls.append(len(args[0]))
        return ridge_regression(*args)

    fit_box_regressors(detector, features, l2=1e-3, ridge_regression=ridge)
    assert calls == [40, 40]
    for column in range(2):
        rows = features.labels == column + 1
        predicted = features.pooled[rows] @ detector.box_weight[column] + detector.box_bias[column]
        torch.testing.assert_close(predicted, features.deltas[rows], atol=0.01, rtol=0)


def test_a_class_without_examples_is_named():
    features = clusters()
    features.true_labels[features.true_labels == 2] = 0
    features.labels[features.labels == 2] = 1
    with pytest.raises(ValueError, match="class 2"):
        fit_svms(model(), features)
    with pytest.raises(ValueError, match="class 2"):
        fit_box_regressors(model(), features)
