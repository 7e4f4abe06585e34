import sys

import pytest
import torch
import torchvision

from detseg.boxes import box_iou, nms


def some_boxes(count: int, seed: int, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * spread - spread / 2
    boxes = torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=generator) * 40], dim=1)
    return boxes, torch.rand(count, generator=generator)


def greedy(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> list[int]:
    left, kept = scores.argsort(descending=True, stable=True).tolist(), []
    while left:
        kept.append(left.pop(0))
        left = [
            i for i in left if box_iou(boxes[i : i + 1], boxes[kept[-1] : kept[-1] + 1]).item() <= threshold
        ]
    return kept


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("spread", [20, 100, 1000])
@pytest.mark.parametrize("count", [0, 1, 60, 700])
def test_equals_torchvision(count, spread, threshold):
    boxes, scores = some_boxes(count, count, spread)
    kept = nms(boxes, scores, threshold)
    assert kept.dtype == torch.int64
    assert kept.equal(torchvision.ops.nms(boxes, scores, threshold))


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_greedy_loop_with_ties(seed):
    boxes, scores = some_boxes(60, seed, 60)
    scores = (scores * 5).round() / 5
    assert nms(boxes, scores, 0.25).tolist() == greedy(boxes, scores, 0.25)


@pytest.mark.parametrize("block", [1, 2, 7, 10_000])
def test_the_block_does_not_matter(block, monkeypatch):
    boxes, scores = some_boxes(150, 3, 60)
    expected = nms(boxes, scores, 0.5)
    monkeypatch.setattr(sys.modules[nms.__module__], "BLOCK", block)
    assert nms(boxes, scores, 0.5).equal(expected)


def test_a_chain_is_kept_every_other_box():
    x = torch.arange(40.0)
    boxes = torch.stack([x, torch.zeros(40), x + 2, torch.ones(40)], dim=1)  # neighbours overlap by a third
    assert nms(boxes, -x, 0.25).tolist() == list(range(0, 40, 2))


def test_only_more_than_the_threshold_suppresses():
    boxes = torch.tensor([[0.0, 0, 4, 2], [0, 0, 4, 4]])  # IoU 0.5, exactly
    scores = torch.tensor([0.5, 0.75])
    assert nms(boxes, scores, 0.5).tolist() == [1, 0]
    assert nms(boxes, scores, 0.25).tolist() == [1]


def test_equal_scores_keep_the_earlier_box():
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, 10, 10]])
    assert nms(boxes, torch.ones(3), 0.5).tolist() == [0, 2]


def test_boxes_without_area_neither_suppress_nor_fall():
    boxes = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 4, 4], [3, 3, 2, 2]])
    assert nms(boxes, torch.tensor([4.0, 3, 2, 1]), 0.0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_dtypes(dtype):
    boxes, scores = some_boxes(50, 9, 60)
    boxes, scores = boxes.to(dtype), scores.to(dtype)
    assert nms(boxes, scores, 0.5).equal(torchvision.ops.nms(boxes.double(), scores.double(), 0.5))


def test_views_are_accepted():
    boxes, scores = some_boxes(80, 10, 60)
    assert nms(boxes[::2], scores[::2], 0.5).equal(nms(boxes[::2].clone(), scores[::2].clone(), 0.5))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"scores must be \[2\]"):
        nms(torch.zeros(2, 4), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"scores\[1\] is NaN"):
        nms(torch.zeros(2, 4), torch.tensor([0.0, float("nan")]), 0.5)
    with pytest.raises(ValueError, match="iou_threshold"):
        nms(torch.zeros(2, 4), torch.zeros(2), 1.5)
    with pytest.raises(ValueError, match="not finite"):
        nms(torch.full((2, 4), float("nan")), torch.zeros(2), 0.5)
