import pytest
import torch
from torch import Tensor

from detseg.boxes import sliding_windows
from detseg.models.backbone import backbone, normalise
from detseg.models.detect import detect
from detseg.models.sliding_window_classifier import SlidingWindowClassifier, crop_windows
from detseg.proposals import match_boxes, sample_rois

BOXES = [torch.tensor([[8.0, 8, 32, 32], [48, 16, 72, 40]]), torch.tensor([[16.0, 8, 40, 32]])]
LABELS = [torch.tensor([2, 5]), torch.tensor([1])]
TARGETS = [{"boxes": boxes, "labels": labels} for boxes, labels in zip(BOXES, LABELS, strict=True)]
WINDOWS = sliding_windows(48, 80, sizes=(24,), ratios=(1.0,), stride=8)


def images() -> Tensor:
    """Two noisy images [2, 3, 48, 80] with a patch of its own colour in each box."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(90, 140, (2, 3, 48, 80), dtype=torch.uint8, generator=generator)
    for picture, boxes, labels in zip(pictures, BOXES, LABELS, strict=True):
        for (x1, y1, x2, y2), label in zip(boxes.int().tolist(), labels.tolist(), strict=True):
            picture[label % 3, y1:y2, x1:x2] = 40 * label
    return normalise(pictures)


def model(**functions) -> SlidingWindowClassifier:
    torch.manual_seed(0)
    return SlidingWindowClassifier(backbone(), **functions)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_window_of_the_crops_own_size_is_a_plain_cut():
    image = torch.rand(2, 10, 14, generator=generator())
    crops = crop_windows(image, torch.tensor([[3.0, 2, 8, 7], [9, 5, 14, 10]]), 5)
    torch.testing.assert_close(crops, torch.stack([image[:, 2:7, 3:8], image[:, 5:10, 9:14]]))


def test_other_windows_are_stretched_each_way():
    column = torch.arange(16.0).expand(1, 8, 16)  # the value is the column
    row = torch.arange(8.0)[:, None].expand(1, 8, 16)
    window = torch.tensor([[2.0, 1, 14, 7]])  # 12 wide, 6 high: cells of 4 x 2 pixels
    torch.testing.assert_close(
        crop_windows(column, window, 3)[0, 0], torch.tensor([3.5, 7.5, 11.5]).expand(3, 3)
    )
    torch.testing.assert_close(
        crop_windows(row, window, 3)[0, 0], torch.tensor([1.5, 3.5, 5.5])[:, None].expand(3, 3)
    )
    assert crop_windows(row, window[:0], 3).shape == (0, 1, 3, 3)


def test_losses_fall_when_two_scenes_are_learned_by_heart():
    network = model()
    optimiser, draw, totals = torch.optim.AdamW(network.parameters(), lr=1e-3), generator(), []
    for _ in range(25):
        loss = network.losses(images(), TARGETS, [WINDOWS] * 2, draw)["class"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        totals.append(loss.item())
    assert sum(totals[-3:]) < 0.25 * sum(totals[:3])
    for (boxes, scores, labels), target in zip(
        network.predict(images(), [WINDOWS] * 2), TARGETS, strict=True
    ):
        best = scores > 0.5
        assert sorted(labels[best].tolist()) == sorted(target["labels"].tolist())
        assert {tuple(box) for box in boxes[best].tolist()} == {
            tuple(box) for box in target["boxes"].tolist()
        }


def test_the_learners_functions_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    network = model(**{function.__name__: spy(function) for function in (match_boxes, sample_rois, detect)})
    theirs = network.losses(images(), TARGETS, [WINDOWS] * 2, generator())
    assert called == ["match_boxes", "sample_rois"] * 2
    assert theirs == model().losses(images(), TARGETS, [WINDOWS] * 2, generator())
    called.clear()
    network.predict(images(), [WINDOWS] * 2)
    assert called == ["detect", "detect"]


def test_batches_of_windows_change_nothing():
    network, windows = model(), [WINDOWS, WINDOWS[:3]]
    whole, parts = (network.predict(images(), windows, batch_size=size) for size in (512, 5))
    for (boxes, scores, labels), (other_boxes, other_scores, other_labels) in zip(whole, parts, strict=True):
        torch.testing.assert_close(scores, other_scores)
        assert torch.equal(boxes, other_boxes)
        assert torch.equal(labels, other_labels)


def test_images_without_windows_or_objects():
    found = model().predict(images(), [WINDOWS, WINDOWS[:0]], score_threshold=0.0)
    assert [tuple(part.shape) for part in found[1]] == [(0, 4), (0,), (0,)]
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}] * 2
    model().losses(images(), empty, [WINDOWS] * 2, generator())["class"].backward()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="2 images, but proposals of 1"):
        model().predict(images(), [WINDOWS])
    with pytest.raises(ValueError, match="at least 8"):
        SlidingWindowClassifier(backbone(), crop_size=4)
