import math

import pytest
import torch

from detseg.metrics import confusion_matrix, mean_iou


def labels(seed, *shape, classes=4):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ignore_index", [255, 2])
@pytest.mark.parametrize("shape", [(3, 5, 7), (11,), (0, 4, 4)])
def test_confusion_matrix_equals_a_loop(shape, ignore_index):
    pred, target = labels(0, *shape), labels(1, *shape)
    target = target.masked_fill(labels(2, *shape) == 0, 255 if ignore_index == 255 else 2)
    oracle = torch.zeros(4, 4, dtype=torch.int64)
    for p, t in zip(pred.flatten().tolist(), target.flatten().tolist(), strict=True):
        if t != ignore_index:
            oracle[t, p] += 1
    assert confusion_matrix(pred, target, 4, ignore_index).equal(oracle)
    assert confusion_matrix(pred.byte(), target.byte(), 4, ignore_index).equal(oracle)


def test_a_prediction_under_an_ignored_pixel_may_be_anything():
    assert confusion_matrix(torch.tensor([9, 1]), torch.tensor([255, 1]), 2).tolist() == [[0, 0], [0, 1]]


def test_confusion_matrix_names_bad_input():
    with pytest.raises(ValueError, match=r"pred must hold 0 \.\. 1, got 1 \.\. 5"):
        confusion_matrix(torch.tensor([1, 5]), torch.tensor([0, 1]), 2)
    with pytest.raises(ValueError, match="target must hold"):
        confusion_matrix(torch.tensor([1, 1]), torch.tensor([0, -1]), 2)
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), 2)
    with pytest.raises(TypeError, match="argmax"):
        confusion_matrix(torch.zeros(2), torch.zeros(2, dtype=torch.int64), 2)


def test_mean_iou_equals_a_loop():
    pred, target = labels(0, 5, 6, 7), labels(1, 5, 6, 7)
    mean, values = mean_iou(confusion_matrix(pred, target, 4))
    oracle = [((pred == k) & (target == k)).sum() / ((pred == k) | (target == k)).sum() for k in range(4)]
    assert values.tolist() == pytest.approx([float(x) for x in oracle])
    assert mean == pytest.approx(sum(float(x) for x in oracle) / 4)


def test_a_class_in_neither_is_left_out_and_one_in_either_is_not():
    mean, values = mean_iou(torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 0]]))
    assert values[:2].tolist() == [0.75, 0]
    assert math.isnan(values[2])
    assert mean == 0.375
    assert math.isnan(mean_iou(torch.zeros(2, 2, dtype=torch.int64))[0])


def test_mean_iou_names_bad_input():
    with pytest.raises(ValueError, match=r"\[K, K\]"):
        mean_iou(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"\[K, K\]"):
        mean_iou(torch.tensor([[-1, 0], [0, 1]]))
