import pytest
import torch

from detseg.models.backbone import normalise
from detseg.training.detection import DetectionBatches, evaluate, flip_boxes, predict_scenes


class Scenes:
    """Three images [3, 16, 24] with one box each."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        image = torch.zeros(3, 16, 24, dtype=torch.uint8)
        image[index, 2:10, 4:9] = 200
        target = {"boxes": torch.tensor([[4.0, 2, 9, 10]]), "labels": torch.tensor([index + 1])}
        return image, target


PROPOSALS = [torch.tensor([[4.0, 2, 9, 10], [0, 0, 6, 16 - index]]) for index in range(3)]


class Parrot:
    """Detects every proposal, as the class that is the image's channel."""

    def __init__(self):
        self.batches = []

    def predict(self, images, proposals):
        self.batches.append(len(images))
        labels = images.amax(dim=(2, 3)).argmax(1) + 1
        return [
            (boxes, torch.linspace(1, 0.5, len(boxes)), label.repeat(len(boxes)))
            for boxes, label in zip(proposals, labels, strict=True)
        ]


def test_flipped_boxes_hold_the_same_pixels():
    image, boxes = torch.zeros(16, 24), torch.tensor([[4.0, 2, 9, 10]])
    image[2:10, 4:9] = 1
    [[x1, y1, x2, y2]] = flip_boxes(boxes, 24).int().tolist()
    assert image.flip(1)[y1:y2, x1:x2].sum() == image.sum()
    assert torch.equal(flip_boxes(flip_boxes(boxes, 24), 24), boxes)
    assert flip_boxes(torch.zeros(0, 4), 24).shape == (0, 4)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_batch_is_mirrored_with_boxes_and_proposals(flip):
    batches = DetectionBatches(Scenes(), PROPOSALS, flip=flip)
    images, targets, proposals = batches.batch([2, 0], torch.Generator().manual_seed(0))
    plain = torch.stack([Scenes()[2][0], Scenes()[0][0]])
    assert torch.equal(images, normalise(plain.flip(3) if flip else plain))
    assert targets[0]["boxes"].tolist() == ([[15, 2, 20, 10]] if flip else [[4, 2, 9, 10]])
    assert [target["labels"].tolist() for target in targets] == [[3], [1]]
    assert proposals[0][1].tolist() == ([18, 0, 24, 14] if flip else [0, 0, 6, 14])


def test_each_image_is_mirrored_by_its_own_coin():
    batches = DetectionBatches(Scenes(), PROPOSALS)
    _, targets, _ = batches.batch([0] * 200, torch.Generator().manual_seed(0))
    mirrored = sum(target["boxes"][0, 0].item() == 15 for target in targets)
    assert 70 < mirrored < 130


def test_scenes_without_their_proposals_are_refused():
    with pytest.raises(ValueError, match="3 scenes, but proposals of 2"):
        DetectionBatches(Scenes(), PROPOSALS[:2])


def test_predictions_keep_their_order_in_batches():
    parrot = Parrot()
    found = predict_scenes(parrot, Scenes(), PROPOSALS, batch_size=2, progress=False)
    assert parrot.batches == [2, 1]
    assert [labels.unique().tolist() for _, _, labels in found] == [[1], [2], [3]]
    assert torch.equal(found[2][0], PROPOSALS[2])


def test_perfect_detections_reach_one():
    mean, per_class = evaluate(Parrot(), Scenes(), PROPOSALS, num_classes=4, progress=False)
    assert mean == 1.0
    assert per_class == [1.0, 1.0, 1.0]
