import pytest
import torch

from autograder.exercises import load
from detseg.models.detect import detect

EXERCISE = load("detect")


def judge(case, result):
    return EXERCISE.judge(case, result, detect(*case.arguments))


def cases():
    generator = torch.Generator().manual_seed(5)
    return [case for family in EXERCISE.families for case in family.make(generator)]


GARBAGE = {
    "nothing": None,
    "a tensor": torch.zeros(3, 4),
    "two tensors": (torch.zeros(3, 4), torch.zeros(3)),
    "lists": ([[0.0, 0.0, 1.0, 1.0]], [0.5], [1]),
    "scalars": (torch.tensor(1.0), torch.tensor(1.0), torch.tensor(1)),
    "different lengths": (torch.zeros(3, 4), torch.zeros(2), torch.zeros(3, dtype=torch.int64)),
    "five columns": (torch.zeros(3, 5), torch.zeros(3), torch.zeros(3, dtype=torch.int64)),
    "float labels": (torch.zeros(3, 4), torch.zeros(3), torch.zeros(3)),
    "labels beyond the classes": (torch.zeros(9, 4), torch.zeros(9), torch.full((9,), 99)),
    "negative labels": (torch.zeros(9, 4), torch.zeros(9), torch.full((9,), -7)),
    "not numbers": (
        torch.full((9, 4), torch.nan),
        torch.full((9,), torch.nan),
        torch.zeros(9, dtype=torch.int64),
    ),
    "infinite": (
        torch.full((9, 4), torch.inf),
        torch.full((9,), torch.inf),
        torch.ones(9, dtype=torch.int64),
    ),
}


@pytest.mark.parametrize("result", GARBAGE.values(), ids=GARBAGE.keys())
def test_judge_has_words_for_any_result(result):
    for case in cases():
        assert judge(case, result).message


def test_judge_names_the_detection_too_many_and_the_missing_one():
    case = cases()[0]
    boxes, scores, labels = detect(*case.arguments)
    missing = judge(case, (boxes[:-1], scores[:-1], labels[:-1])).message
    assert missing.startswith(f"detection {len(boxes) - 1} is missing")
    assert f"class {int(labels[-1])} of RoI" in missing
    twice = torch.cat([torch.arange(len(boxes)), torch.tensor([0])])
    assert "is one too many" in judge(case, (boxes[twice], scores[twice], labels[twice])).message


def test_judge_shows_both_detections_where_they_differ():
    case = cases()[0]
    boxes, scores, labels = detect(*case.arguments)
    moved = boxes.clone()
    moved[1, 2] += 1
    message = judge(case, (moved, scores, labels)).message
    assert message.startswith("detection 1 differs.")
    assert [line.split()[0] for line in message.splitlines()[1:]] == ["yours", "expected"]


def test_judge_allows_rounding():
    for case in cases():
        boxes, scores, labels = detect(*case.arguments)
        assert judge(case, (boxes * (1 + 1e-6), scores, labels)) is None
