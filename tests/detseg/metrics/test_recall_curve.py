import math

import pytest
import torch

from detseg.metrics.recall_curve import recall_curve


def test_recall_grows_with_the_number_of_proposals():
    gt = [torch.tensor([[0.0, 0, 10, 6], [20, 4, 30, 20]]), torch.tensor([[5.0, 5, 9, 12]])]
    proposals = [
        torch.tensor([[40.0, 0, 50, 6], [20, 4, 30, 20], [0, 0, 10, 5]]),
        torch.tensor([[5.0, 5, 9, 11]]),
    ]
    assert recall_curve(proposals, gt, (0, 1, 2, 3, 9)) == [0, 1 / 3, 2 / 3, 1, 1]
    assert recall_curve(proposals, gt, (3,), iou_threshold=0.9) == [1 / 3]


def test_edges():
    assert recall_curve([], [], ()) == []
    assert math.isnan(recall_curve([torch.zeros(0, 4)], [torch.zeros(0, 4)], (10,))[0])
    with pytest.raises(ValueError, match="counts must not be negative"):
        recall_curve([torch.zeros(0, 4)], [torch.zeros(0, 4)], (10, -1))
