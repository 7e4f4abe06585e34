import pytest
import torch
from torch import Tensor

from detseg.layers import roi_pool
from detseg.losses import fast_rcnn_loss
from detseg.models.backbone import backbone, normalise
from detseg.models.detect import detect
from detseg.models.fast_rcnn import FastRCNN, rois_of
from detseg.proposals import sample_rois

BOXES = [torch.tensor([[8.0, 4, 40, 30], [50, 10, 70, 40]]), torch.tensor([[3.0, 5, 33, 45]])]
LABELS = [torch.tensor([2, 5]), torch.tensor([1])]
TARGETS = [{"boxes": boxes, "labels": labels} for boxes, labels in zip(BOXES, LABELS, strict=True)]


def images() -> Tensor:
    """Two noisy images [2, 3, 48, 80] with a patch of its own colour in each box."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(90, 140, (2, 3, 48, 80), dtype=torch.uint8, generator=generator)
    for picture, boxes, labels in zip(pictures, BOXES, LABELS, strict=True):
        for (x1, y1, x2, y2), label in zip(boxes.int().tolist(), labels.tolist(), strict=True):
            picture[label % 3, y1:y2, x1:x2] = 40 * label
    return normalise(pictures)


def proposals() -> list[Tensor]:
    """Jittered true boxes and random ones: [30, 4] for the first image, [20, 4] for the second."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for boxes, count in zip(BOXES, (30, 20), strict=True):
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([50.0, 25])
        size = 10 + torch.rand(count, 2, generator=generator) * torch.tensor([30.0, 20])
        near = boxes.repeat(3, 1) + torch.randn(3 * len(boxes), 4, generator=generator) * 2
        found.append(torch.cat([near, torch.cat([corner, corner + size], 1)])[:count])
    return found


def model(**functions) -> FastRCNN:
    torch.manual_seed(0)
    return FastRCNN(backbone(), **functions)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_forward_gives_class_scores_and_class_specific_boxes():
    class_logits, deltas = model()(images(), rois_of(proposals()))
    assert class_logits.shape == (50, 6)
    assert deltas.shape == (50, 6, 4)


def test_rois_carry_the_index_of_their_image():
    rois = rois_of([torch.ones(2, 4), torch.zeros(0, 4), 2 * torch.ones(1, 4)])
    assert rois.tolist() == [[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [2, 2, 2, 2, 2]]


def test_losses_fall_when_two_scenes_are_learned_by_heart():
    detector = model()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    draw, inputs, boxes, totals = generator(), images(), proposals(), []
    for _ in range(40):
        losses = detector.losses(inputs, TARGETS, boxes, draw)
        total = losses["class"] + losses["box"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert sum(totals[-5:]) < 0.25 * sum(totals[:5])
    for (found, scores, labels), target in zip(detector.predict(inputs, boxes), TARGETS, strict=True):
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        assert set(target["labels"].tolist()) <= set(labels[scores > 0.5].tolist())
        assert (found[:, 2] <= 80).all()
        assert (found[:, 3] <= 48).all()


def test_the_learners_functions_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    functions = {f.__name__: spy(f) for f in (roi_pool, sample_rois, fast_rcnn_loss, detect)}
    detector, reference = model(**functions), model()
    theirs = detector.losses(images(), TARGETS, proposals(), generator())
    assert called == ["sample_rois", "sample_rois", "roi_pool", "fast_rcnn_loss"]
    assert theirs == reference.losses(images(), TARGETS, proposals(), generator())
    called.clear()
    detector.predict(images(), proposals())
    assert called == ["roi_pool", "detect", "detect"]


def test_roi_pool_gets_contiguous_features_and_its_shape_is_checked():
    def transposed(features, rois, output_size, spatial_scale):
        assert features.is_contiguous()
        assert spatial_scale == 1 / 8
        return roi_pool(features, rois, output_size, spatial_scale).flatten(2)

    with pytest.raises(
        ValueError, match=r"roi_pool must return \[50, 128, 5, 5\], it returned \[50, 128, 25\]"
    ):
        model(roi_pool=transposed)(images(), rois_of(proposals()))


def test_true_boxes_are_sampled_too():
    seen = []

    def loss(class_logits, deltas, labels, target_deltas):
        seen.append((labels, target_deltas))
        return fast_rcnn_loss(class_logits, deltas, labels, target_deltas)

    far = [torch.tensor([[60.0, 0, 79, 8]]), torch.tensor([[60.0, 0, 79, 8]])]
    model(fast_rcnn_loss=loss).losses(images(), TARGETS, far, generator())
    [(labels, target_deltas)] = seen
    assert sorted(labels.tolist()) == [0, 0, 1, 2, 5]
    torch.testing.assert_close(target_deltas, torch.zeros(5, 4))  # a true box is its own proposal


def test_an_image_without_objects_teaches_background():
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}] * 2
    losses = model().losses(images(), empty, proposals(), generator())
    assert losses["class"] > 0
    assert losses["box"] == 0
    (losses["class"] + losses["box"]).backward()


def test_an_image_without_proposals_has_no_detections():
    found = model().predict(images(), [proposals()[0], torch.zeros(0, 4)], score_threshold=0.0)
    assert len(found) == 2
    assert [tuple(part.shape) for part in found[1]] == [(0, 4), (0,), (0,)]


def test_predict_keeps_the_running_statistics():
    detector = model().train()
    before = detector.backbone.conv1[1].running_mean.clone()
    detector.predict(images(), proposals())
    assert torch.equal(detector.backbone.conv1[1].running_mean, before)


def test_bad_batches_are_named():
    detector = model()
    with pytest.raises(TypeError, match="normalise"):
        detector.predict(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), [BOXES[0]])
    with pytest.raises(ValueError, match="N, H, W > 0"):
        detector.predict(torch.zeros(0, 3, 8, 8), [])
    with pytest.raises(ValueError, match="2 images, but proposals of 1"):
        detector.predict(images(), proposals()[:1])
    with pytest.raises(ValueError, match=r"proposals of image 1 must be \[N, 4\]"):
        detector.predict(images(), [BOXES[0], torch.zeros(4)])
    with pytest.raises(ValueError, match=r"proposals of image 0\[0\] is not finite"):
        detector.predict(images(), [BOXES[0] * float("nan"), BOXES[1]])


def test_an_edited_function_changes_the_recipe():
    def other(*args):
        return roi_pool(*args)

    assert model().recipe == model().recipe
    assert model().recipe != model(roi_pool=other).recipe
