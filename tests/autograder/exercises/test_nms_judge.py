import pytest
import torch

from autograder.exercises import Case, load

EXERCISE = load("nms")
BOXES = torch.tensor([[50.0, 9, 90, 30], [2, 4, 32, 22], [3, 5, 34, 21], [52, 10, 91, 33], [4, 3, 30, 23]])
CASE = Case((BOXES, torch.tensor([0.3, 0.7, 0.9, 0.5, 0.1]), 0.5), "")  # keeps 2 and 3


def judge(case, kept):
    return EXERCISE.judge(case, kept, EXERCISE.oracle(*case.arguments))


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (None, "NoneType"),
        ([2, 3], "list"),
        (torch.tensor([2.0, 3.0]), "float32 [2]"),
        (torch.ones(5, dtype=torch.bool), "bool [5]"),
        (torch.tensor([[2], [3]]), "int64 [2, 1]"),
        (torch.tensor([2, 5]), "5 is no index of a box (0 to 4)"),
        (torch.tensor([-1]), "-1 is no index"),
        (torch.tensor([2, 2]), "box 2 is kept twice"),
        (torch.tensor([2, 3, 3]), "box 3 is kept twice"),
        (torch.tensor([2, 3, 0]), "box 0 must be dropped; its IoU with box 3"),
        (torch.tensor([1, 3]), "box 1 must be dropped; its IoU with box 2"),
        (torch.tensor([2]), "box 3 must be kept here"),
        (torch.tensor([], dtype=torch.int64), "box 2 must be kept here"),
        (torch.tensor([3, 2]), "box 3 has a score of 0.5; next is box 2 with 0.9"),
    ],
)
def test_difference_is_explained(kept, words):
    assert words in judge(CASE, kept).message


def test_expected_indices_pass():
    assert judge(CASE, torch.tensor([2, 3])) is None


def test_no_box():
    case = Case((torch.zeros(0, 4), torch.zeros(0), 0.5), "")
    assert judge(case, torch.zeros(0, dtype=torch.int64)) is None
    assert "float32" in judge(case, torch.zeros(0)).message
    assert "no index" in judge(case, torch.tensor([0])).message
