import pytest
import torch
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import batched_nms

from detseg.boxes import HEAD_WEIGHTS, clip_boxes, decode_boxes
from detseg.models.detect import detect

SIZE = (60, 90)


def head(count, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator) * 2
    deltas = torch.randn(count, classes, 4, generator=generator)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([70.0, 40.0])
    return (
        logits,
        deltas,
        torch.cat([corner, corner + 8 + torch.rand(count, 2, generator=generator) * 30], dim=1),
    )


@pytest.mark.parametrize("count", [0, 1, 60])
@pytest.mark.parametrize(
    ("threshold", "nms_threshold", "limit"), [(0.0625, 0.5, 1000), (0.5, 0.25, 1000), (0.0, 0.5, 7)]
)
def test_equals_torchvisions_steps(count, threshold, nms_threshold, limit):
    logits, deltas, proposals = head(count)
    boxes, scores, labels = detect(logits, deltas, proposals, SIZE, threshold, nms_threshold, limit)
    all_scores = logits.softmax(1)[:, 1:].flatten()
    all_boxes = clip_boxes(decode_boxes(deltas, proposals, HEAD_WEIGHTS), SIZE)[:, 1:].reshape(-1, 4)
    all_labels = torch.arange(1, 4).repeat(count)
    good = torch.where(all_scores > threshold)[0]
    kept = good[batched_nms(all_boxes[good], all_scores[good], all_labels[good], nms_threshold)][:limit]
    torch.testing.assert_close(scores, all_scores[kept])
    torch.testing.assert_close(boxes, all_boxes[kept])
    assert labels.equal(all_labels[kept])
    assert labels.dtype == torch.int64


def test_equals_torchvisions_head():
    from torchvision.models.detection._utils import BoxCoder

    logits, deltas, proposals = head(50, seed=3)
    oracle = RoIHeads.__new__(RoIHeads)
    torch.nn.Module.__init__(oracle)
    oracle.box_coder = BoxCoder(HEAD_WEIGHTS)
    oracle.score_thresh, oracle.nms_thresh, oracle.detections_per_img = 0.05, 0.5, 20
    expected = oracle.postprocess_detections(logits, deltas.flatten(1), [proposals], [SIZE])
    for ours, theirs in zip(detect(logits, deltas, proposals, SIZE, 0.05, 0.5, 20), expected, strict=True):
        torch.testing.assert_close(ours, theirs[0])


def test_classes_do_not_suppress_each_other():
    logits = torch.tensor([[0.0, 2.0, 2.0], [1.5, 1.0, 1.0]])
    proposals = torch.tensor([[5.0, 5, 20, 25]]).repeat(2, 1)
    boxes, scores, labels = detect(logits, torch.zeros(2, 3, 4), proposals, SIZE, 0.1, 0.5, 10)
    assert labels.tolist() == [1, 2]
    assert boxes.equal(proposals)
    assert scores[0] == scores[1]


def test_worked_by_hand():
    logits = torch.tensor([[10.0, 0.0], [0.0, 10.0]])
    deltas = torch.zeros(2, 2, 4)
    deltas[1, 1] = torch.tensor([10.0, 0, 0, 0])  # one width to the right
    proposals = torch.tensor([[0.0, 0, 30, 20], [50, 10, 80, 40]])
    boxes, _, labels = detect(logits, deltas, proposals, SIZE, 0.5, 0.5, 10)
    assert boxes.tolist() == [[80, 10, 90, 40]]  # clipped to the image's width
    assert labels.tolist() == [1]


def test_bad_input_is_named():
    logits, deltas, proposals = head(4)
    with pytest.raises(ValueError, match="deltas must be"):
        detect(logits, deltas.flatten(1), proposals, SIZE, 0.5, 0.5, 10)
    with pytest.raises(ValueError, match="a row for each RoI"):
        detect(logits, deltas, proposals[:2], SIZE, 0.5, 0.5, 10)
    with pytest.raises(ValueError, match="class_logits holds NaN"):
        detect(logits * float("nan"), deltas, proposals, SIZE, 0.5, 0.5, 10)
    with pytest.raises(ValueError, match="limit"):
        detect(logits, deltas, proposals, SIZE, 0.5, 0.5, -1)
    with pytest.raises(ValueError, match="image_size"):
        detect(logits, deltas, proposals, (0, 5), 0.5, 0.5, 1)
