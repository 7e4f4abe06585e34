import pytest
import torch
from torchvision.models.detection._utils import Matcher

from detseg.proposals import match_boxes


@pytest.mark.parametrize("force_best", [False, True])
@pytest.mark.parametrize(("high", "low"), [(0.5, 0.5), (0.75, 0.25)])
@pytest.mark.parametrize("seed", range(5))
def test_equals_torchvision(seed, high, low, force_best):
    iou = torch.rand(4, 50, generator=torch.Generator().manual_seed(seed)) ** 2
    matched = match_boxes(iou, high, low, force_best)
    assert matched.dtype == torch.int64
    assert matched.equal(Matcher(high, low, allow_low_quality_matches=force_best)(iou))


def test_worked_by_hand():
    iou = torch.tensor([[0.75, 0.25, 0.0, 0.5, 0.375], [0.5, 0.0, 0.0, 0.875, 0.125]])
    assert match_boxes(iou, 0.75, 0.375).tolist() == [0, -1, -1, 1, -2]


def test_the_best_of_every_object_is_forced_with_all_its_ties():
    iou = torch.tensor([[0.25, 0.25, 0.0, 0.125], [0.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0]])
    # object 0 forces 0 and 1; object 1 overlaps nothing and forces none; 1 keeps its own best object
    assert match_boxes(iou, 0.75, 0.25, force_best=True).tolist() == [0, 2, -1, -1]
    assert match_boxes(iou, 0.75, 0.25).tolist() == [-2, -2, -1, -1]


@pytest.mark.parametrize("force_best", [False, True])
def test_empty(force_best):
    assert match_boxes(torch.zeros(0, 3), 0.5, 0.5, force_best).tolist() == [-1, -1, -1]
    assert match_boxes(torch.zeros(2, 0), 0.5, 0.5, force_best).shape == (0,)
    assert match_boxes(torch.zeros(0, 0), 0.5, 0.5, force_best).dtype == torch.int64


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="low must not exceed high"):
        match_boxes(torch.zeros(1, 1), 0.3, 0.5)
    with pytest.raises(ValueError, match=r"iou\[0, 0\] is nan"):
        match_boxes(torch.full((1, 1), float("nan")), 0.5, 0.5)
    with pytest.raises(ValueError, match=r"\[M_gt, N\]"):
        match_boxes(torch.zeros(3), 0.5, 0.5)
