import pytest
import torch

from detseg.metrics import mean_average_precision
from detseg.metrics.mask_average_precision import mask_average_precision


def filled(boxes, image_size=(30, 44)):
    """Masks [N, H, W] of whole boxes."""
    masks = torch.zeros(len(boxes), *image_size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


def random_boxes(count, generator):
    corner = torch.randint(0, 20, (count, 2), generator=generator)
    size = torch.randint(5, 10, (count, 2), generator=generator)
    return torch.cat([corner, corner + size], dim=1).float()


@pytest.mark.parametrize("seed", range(4))
def test_masks_that_fill_their_boxes_score_as_the_boxes_do(seed):
    generator = torch.Generator().manual_seed(seed)
    detections, masks, targets = [], [], []
    for count in (6, 0, 9):
        gt = random_boxes(4, generator)
        labels = torch.randint(1, 4, (4,), generator=generator)
        boxes = torch.cat(
            [gt + torch.randint(0, 2, gt.shape, generator=generator), random_boxes(9, generator)]
        )[:count]
        guess = torch.cat([labels, torch.randint(1, 4, (9,), generator=generator)])[:count]
        scores = torch.rand(count, generator=generator)
        detections.append((boxes, scores, guess))
        masks.append((filled(boxes), scores, guess))
        targets.append({"boxes": gt, "labels": labels, "instance_masks": filled(gt)})
    expected = mean_average_precision(detections, targets, 4)
    found = mask_average_precision(masks, targets, 4)
    assert found[0] == pytest.approx(expected[0])
    assert found[1] == pytest.approx(expected[1], nan_ok=True)


def test_a_second_detection_of_a_mask_is_a_miss():
    mask = filled(torch.tensor([[2.0, 3, 12, 9]]))
    target = {"labels": torch.tensor([1]), "instance_masks": mask}
    twice = (mask.repeat(2, 1, 1), torch.tensor([0.4, 0.9]), torch.tensor([1, 1]))
    assert mask_average_precision([twice], [target], 2) == (1.0, [1.0])
    empty = (mask[:0], torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert mask_average_precision([empty], [target], 2) == (0.0, [0.0])


def test_a_class_without_ground_truth_is_left_out():
    mask = filled(torch.tensor([[2.0, 3, 12, 9]]))
    target = {"labels": torch.tensor([2]), "instance_masks": mask}
    mean, per_class = mask_average_precision([(mask, torch.ones(1), torch.tensor([2]))], [target], 3)
    assert mean == 1.0
    assert per_class == pytest.approx([float("nan"), 1.0], nan_ok=True)


def test_numbers_of_images_must_agree():
    with pytest.raises(ValueError, match="got 0 and 1 targets"):
        mask_average_precision([], [{}], 2)
