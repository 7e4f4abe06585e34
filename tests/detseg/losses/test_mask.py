import pytest
import torch
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import maskrcnn_loss, project_masks_on_boxes

from detseg.losses import mask_loss, mask_targets


def discs(height, width):
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack(
        [((y - cy) ** 2 + (x - cx) ** 2) < r**2 for cy, cx, r in ((9, 12, 6), (20, 30, 9), (5, 40, 4))]
    )


def some_boxes(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([40.0, 24.0]) - 4
    return torch.cat([corner, corner + 4 + torch.rand(count, 2, generator=generator) * 16], dim=1)


@pytest.mark.parametrize("size", [1, 7, 14])
def test_mask_targets_equal_torchvision(size):
    masks, boxes = discs(28, 48), some_boxes(30)
    matched = torch.arange(30) % 3
    targets = mask_targets(masks, boxes, matched, size)
    assert targets.dtype == torch.float32
    assert targets.unique().tolist() == [0, 1]
    if size > 1:
        rois = torch.cat([matched[:, None], boxes], dim=1)
        from torchvision.ops import roi_align

        seen = roi_align(masks[:, None].float(), rois, size, 1.0, 2, True)[:, 0]
        clear = (seen - 0.5).abs() > 1e-4
        assert targets[clear].equal((seen >= 0.5).float()[clear])
        detectron = (
            project_masks_on_boxes(masks, boxes, matched, size) >= 0.5
        )  # half a pixel off, adaptive samples
        assert (targets == detectron).float().mean() > 0.85


def test_mask_targets_of_nothing_and_bad_input():
    masks = discs(28, 48)
    assert mask_targets(masks, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 7).shape == (0, 7, 7)
    assert mask_targets(masks[:0], torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 7).shape == (0, 7, 7)
    with pytest.raises(ValueError, match="drop background"):
        mask_targets(masks, some_boxes(2), torch.tensor([0, -1]), 7)
    with pytest.raises(ValueError, match="gt_masks"):
        mask_targets(masks[0], some_boxes(1), torch.tensor([0]), 7)


def test_mask_loss_equals_torchvision():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 4, 14, 14, generator=generator, requires_grad=True)
    labels = torch.randint(1, 4, (9,), generator=generator)
    masks, boxes, matched = discs(28, 48), some_boxes(9), torch.arange(9) % 3
    targets = project_masks_on_boxes(masks.float(), boxes, matched, 14)
    gt_labels = torch.zeros(3, dtype=torch.int64)
    oracle = F.binary_cross_entropy_with_logits(logits[torch.arange(9), labels], targets)
    torch.testing.assert_close(mask_loss(logits, labels, targets), oracle)
    gt_labels[matched] = labels
    theirs = maskrcnn_loss(logits, [boxes], [masks.float()], [gt_labels], [matched])
    torch.testing.assert_close(mask_loss(logits, gt_labels[matched], targets), theirs)
    grad = torch.autograd.grad(mask_loss(logits, labels, targets), logits)[0]
    assert grad[0, labels[0]].abs().sum() > 0
    assert grad.abs().sum((2, 3)).gt(0).sum() == 9  # one mask each


def test_mask_loss_of_nothing_is_0_with_a_graph():
    logits = torch.zeros(0, 4, 14, 14, requires_grad=True)
    loss = mask_loss(logits, torch.zeros(0, dtype=torch.int64), torch.zeros(0, 14, 14))
    assert loss.item() == 0
    loss.backward()


def test_mask_loss_names_bad_input():
    logits, labels = torch.zeros(2, 4, 7, 7), torch.tensor([1, 2])
    with pytest.raises(ValueError, match="targets must be"):
        mask_loss(logits, labels, torch.zeros(2, 14, 14))
    with pytest.raises(ValueError, match="drop background"):
        mask_loss(logits, labels - 1, torch.zeros(2, 7, 7))
    with pytest.raises(ValueError, match="mask_logits and labels"):
        mask_loss(logits, labels[:1], torch.zeros(2, 7, 7))
