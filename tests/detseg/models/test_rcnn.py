import pytest
import torch
from torch import Tensor

from detseg.boxes import nms
from detseg.layers import warp_region
from detseg.models.backbone import backbone, normalise
from detseg.models.rcnn import RCNN
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
    """Jittered true boxes and random ones: [20, 4] for the first image, [12, 4] for the second."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for boxes, count in zip(BOXES, (20, 12), strict=True):
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([50.0, 25])
        size = 10 + torch.rand(count, 2, generator=generator) * torch.tensor([30.0, 20])
        near = boxes.repeat(3, 1) + torch.randn(3 * len(boxes), 4, generator=generator) * 2
        found.append(torch.cat([near, torch.cat([corner, corner + size], 1)])[:count])
    return found


def model(**options) -> RCNN:
    torch.manual_seed(0)
    return RCNN(backbone(), crop_size=32, context=4, **options)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_fine_tuning_makes_the_loss_fall():
    detector = model()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    draw, inputs, boxes, losses = generator(), images(), proposals(), []
    for _ in range(12):
        loss = detector.losses(inputs, TARGETS, boxes, draw)["class"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
    for _, scores, _ in detector.predict(inputs, boxes, classifier="softmax", regress=False):
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        assert (scores > 0.01).all()


def test_pooled_features_do_not_depend_on_their_company():
    detector = model().eval()
    with torch.no_grad():
        together = detector.pool(images(), proposals())
        alone = detector.pool(images()[1:], proposals()[1:])
    assert together.shape == (32, 128 * 2 * 2)
    torch.testing.assert_close(together[20:], alone, atol=1e-4, rtol=1e-4)


def test_svm_scores_are_linear_in_the_scaled_features():
    detector = model()
    detector.svm_weight.copy_(torch.randn(5, 256, generator=generator()))
    detector.svm_bias.copy_(torch.arange(5.0))
    detector.feature_scale.fill_(0.5)
    hidden = torch.rand(3, 256, generator=generator())
    expected = torch.stack(
        [0.5 * hidden @ weight + bias for weight, bias in zip(detector.svm_weight, range(5), strict=True)]
    )
    torch.testing.assert_close(detector.svm_scores(hidden), expected.T)


def test_a_regressor_moves_the_boxes_of_its_class():
    detector = model()
    detector.svm_bias.copy_(torch.tensor([-9.0, 3, -9, -9, -9]))  # everything is a sheep
    detector.box_bias[1] = torch.tensor([0.25, 0.0, 0.0, 0.0])  # a quarter of its width to the right
    box = torch.tensor([[10.0, 8, 30, 20]])
    [(boxes, scores, labels)] = detector.predict(images()[:1], [box])
    assert labels.tolist() == [2]
    assert scores.tolist() == [3.0]
    torch.testing.assert_close(boxes, torch.tensor([[15.0, 8, 35, 20]]))
    [(unmoved, _, _)] = detector.predict(images()[:1], [box], regress=False)
    assert torch.equal(unmoved, box)


def test_detections_are_limited_suppressed_and_above_the_threshold():
    detector = model()
    detector.svm_bias.copy_(torch.tensor([-0.5, 1, -3, -3, -3]))
    boxes = torch.tensor([[10.0, 8, 30, 20], [11.0, 8, 31, 20], [50, 20, 70, 40]])
    [(_, scores, labels)] = detector.predict(images()[:1], [boxes])
    assert labels.tolist() == [
        2,
        2,
        1,
        1,
    ]  # the second box is suppressed, the other classes are below the margin
    assert scores.tolist() == [1, 1, -0.5, -0.5]
    [(_, _, labels)] = detector.predict(images()[:1], [boxes], limit=3)
    assert labels.tolist() == [2, 2, 1]


def test_the_learners_functions_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    detector = model(**{f.__name__: spy(f) for f in (warp_region, sample_rois, nms)})
    theirs = detector.losses(images(), TARGETS, proposals(), generator())
    regions = called.count("warp_region")
    assert called == ["sample_rois", "sample_rois", *["warp_region"] * regions]
    assert 2 <= regions <= 16
    assert theirs == model().losses(images(), TARGETS, proposals(), generator())
    called.clear()
    detector.predict(images(), proposals())
    assert called == [*["warp_region"] * 20, *["nms"] * 5, *["warp_region"] * 12, *["nms"] * 5]


def test_an_image_without_proposals_has_no_detections():
    for parts in model().predict(images(), [torch.zeros(0, 4)] * 2):
        assert [tuple(part.shape) for part in parts] == [(0, 4), (0,), (0,)]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"warp_region must return \[3, 32, 32\], it returned \[3, 1024\]"):
        model(warp_region=lambda *a: warp_region(*a).flatten(1)).predict(images(), proposals())
    with pytest.raises(ValueError, match="2 images, but proposals of 1"):
        model().predict(images(), proposals()[:1])
    with pytest.raises(TypeError, match="normalise"):
        model().predict(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), [BOXES[0]])
