import pytest
import torch

from detseg.boxes import box_iou
from detseg.metrics import match_detections


def easy(count):
    return torch.zeros(count, dtype=torch.bool)


def devkit(boxes, scores, gt, difficult, threshold):
    """The loop of the VOC development kit."""
    outcomes, taken = [], set()
    for i in scores.argsort(descending=True, stable=True).tolist():
        best, best_iou = None, -1.0
        for j in range(len(gt)):
            iou = box_iou(boxes[i : i + 1], gt[j : j + 1]).item()
            if iou > best_iou:
                best, best_iou = j, iou
        if best is None or best_iou < threshold:
            outcomes.append(0)
        elif difficult[best]:
            outcomes.append(-1)
        else:
            outcomes.append(int(best not in taken))
            taken.add(best)
    return outcomes


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_development_kit(seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(4, 2, generator=generator) * 20
    gt = torch.cat([corner, corner + 10 + torch.rand(4, 2, generator=generator) * 10], dim=1)
    boxes = gt.repeat(6, 1) + torch.randn(24, 4, generator=generator) * 2
    scores = (torch.rand(24, generator=generator) * 10).round() / 10
    difficult = torch.tensor([False, True, False, False])
    result = match_detections(boxes, scores, gt, difficult, 0.5)
    assert result.dtype == torch.int64
    assert result.tolist() == devkit(boxes, scores, gt, difficult, 0.5)


def test_a_box_counts_once_and_only_for_its_best():
    gt = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 10]])
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 8], [20, 20, 30, 30]])
    # the second detection overlaps the other object by 0.8, but looks only at the best one, which is taken
    assert match_detections(boxes, torch.tensor([0.9, 0.8, 0.95]), gt, easy(2)).tolist() == [0, 1, 0]


def test_reaching_the_threshold_is_enough():
    gt, boxes = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[0.0, 0, 4, 2]])
    assert match_detections(boxes, torch.ones(1), gt, easy(1), 0.5).tolist() == [1]


def test_a_difficult_box_neither_hits_nor_misses():
    gt, boxes = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3]])
    assert match_detections(boxes, torch.tensor([1.0, 0.5]), gt, ~easy(1)).tolist() == [-1, -1]


def test_empty():
    nothing, box = torch.zeros(0, 4), torch.tensor([[0.0, 0, 4, 4]])
    assert match_detections(nothing, torch.zeros(0), box, easy(1)).shape == (0,)
    assert match_detections(box, torch.ones(1), nothing, easy(0)).tolist() == [0]


def test_bad_input_is_named():
    box = torch.tensor([[0.0, 0, 4, 4]])
    with pytest.raises(TypeError, match="difficult must be bool"):
        match_detections(box, torch.ones(1), box, torch.zeros(1))
    with pytest.raises(ValueError, match="difficult"):
        match_detections(box, torch.ones(1), box, easy(2))
    with pytest.raises(ValueError, match="scores"):
        match_detections(box, torch.ones(2), box, easy(1))
    with pytest.raises(ValueError, match="gt_boxes"):
        match_detections(box, torch.ones(1), torch.zeros(1, 5), easy(1))
