import math

import pytest
import torch

from detseg.metrics import mask_iou, proposal_recall


def test_proposal_recall_by_hand():
    gt = [torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 8]]), torch.tensor([[5.0, 5, 9, 9]]), torch.zeros(0, 4)]
    proposals = [torch.tensor([[0.0, 0, 4, 6]]), torch.zeros(0, 4), torch.tensor([[0.0, 0, 1, 1]])]
    assert proposal_recall(proposals, gt, 0.5) == pytest.approx(2 / 3)  # one proposal covers both
    assert proposal_recall(proposals, gt, 0.75) == pytest.approx(1 / 3)  # reaching the threshold is enough
    assert math.isnan(proposal_recall(proposals[2:], gt[2:], 0.5))
    assert math.isnan(proposal_recall([], [], 0.5))
    with pytest.raises(ValueError, match="one entry"):
        proposal_recall(proposals, gt[:1], 0.5)


def test_mask_iou_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(n, 6, 9, generator=generator) < 0.4 for n in (4, 3))
    a[0] = b[0] = False
    result = mask_iou(a, b)
    assert result.dtype == torch.float32
    for i in range(4):
        for j in range(3):
            either = (a[i] | b[j]).sum()
            assert result[i, j].item() == pytest.approx(float((a[i] & b[j]).sum() / either) if either else 0)
    assert mask_iou(a[:0], b).shape == (0, 3)


def test_mask_iou_names_bad_input():
    mask = torch.zeros(1, 3, 4, dtype=torch.bool)
    with pytest.raises(TypeError, match="bool"):
        mask_iou(mask.float(), mask)
    with pytest.raises(ValueError, match=r"\[M, H, W\]"):
        mask_iou(mask, mask.mT)
