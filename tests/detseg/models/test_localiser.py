import pytest
import torch
from torch import Tensor

from detseg.losses import localisation_loss
from detseg.models.backbone import MiniVGG, normalise
from detseg.models.localiser import Localiser

SIZE = (48, 64)
BOXES = torch.tensor([[8.0, 4, 40, 30], [30, 10, 60, 40], [2, 20, 30, 44], [0, 0, 0, 0]])
LABELS = torch.tensor([2, 5, 1, 0])


def images() -> Tensor:
    """Four noisy images, all but the last with a block in the colour of its label."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(90, 140, (4, 3, *SIZE), dtype=torch.uint8, generator=generator)
    for picture, (x1, y1, x2, y2), label in zip(pictures, BOXES.int().tolist(), LABELS.tolist(), strict=True):
        picture[label % 3, y1:y2, x1:x2] = 40 * label
    return normalise(pictures)


def model(**options) -> Localiser:
    torch.manual_seed(0)
    return Localiser(MiniVGG(), image_size=SIZE, **options)


def test_one_class_and_one_box_an_image():
    class_logits, sides = model()(images())
    assert class_logits.shape == (4, 6)
    assert sides.shape == (4, 4)
    boxes, scores, labels = model().predict(images())
    assert boxes.shape == (4, 4)
    assert scores.shape == labels.shape == (4,)
    torch.testing.assert_close(
        boxes, torch.tensor([16.0, 12, 48, 36]).expand(4, 4), atol=2, rtol=0
    )  # first guess


def test_losses_fall_when_four_images_are_learned_by_heart():
    network = model()
    optimiser, totals = torch.optim.AdamW(network.parameters(), lr=1e-3), []
    for _ in range(60):
        loss = network.losses(images(), LABELS, BOXES, torch.Generator())["class and box"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    assert sum(totals[-3:]) < 0.15 * sum(totals[:3])
    boxes, _, labels = network.predict(images())
    assert labels.tolist() == LABELS.tolist()
    torch.testing.assert_close(boxes[:3], BOXES[:3], atol=8, rtol=0)


def test_the_learners_loss_gets_boxes_in_image_sides():
    seen = []

    def loss(class_logits, pred_boxes, labels, target_boxes, weight):
        seen.append((labels, target_boxes, weight))
        return localisation_loss(class_logits, pred_boxes, labels, target_boxes, weight)

    theirs = model(localisation_loss=loss).losses(images(), LABELS, BOXES, torch.Generator())
    [(labels, target_boxes, weight)] = seen
    assert labels is LABELS
    assert weight == 10
    torch.testing.assert_close(target_boxes[0], torch.tensor([8 / 64, 4 / 48, 40 / 64, 30 / 48]))
    assert theirs == model().losses(images(), LABELS, BOXES, torch.Generator())


def test_boxes_end_at_the_border():
    network = model()
    with torch.no_grad():
        network.regress.bias.copy_(torch.tensor([-1.0, -1, 2, 2]))
    boxes, _, _ = network.predict(images())
    assert boxes.tolist() == [[0, 0, 64, 48]] * 4


def test_other_image_sizes_are_refused():
    with pytest.raises(ValueError, match=r"images must be \[48, 64\], got \[64, 48\]"):
        model()(images().transpose(2, 3))
    with pytest.raises(TypeError, match="normalise"):
        model()(images().byte())
    with pytest.raises(ValueError, match="at least 16"):
        Localiser(MiniVGG(), image_size=(64, 8))
