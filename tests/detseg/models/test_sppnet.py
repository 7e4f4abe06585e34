import torch

from detseg.layers import spatial_pyramid_pool
from detseg.models.backbone import backbone, normalise
from detseg.models.sppnet import SPPNet, window

BOXES = [torch.tensor([[8.0, 4, 40, 30], [50, 10, 70, 40]]), torch.tensor([[3.0, 5, 33, 45]])]
TARGETS = [
    {"boxes": boxes, "labels": labels}
    for boxes, labels in zip(BOXES, [torch.tensor([2, 5]), torch.tensor([1])], strict=True)
]


def images():
    pictures = torch.randint(0, 256, (2, 3, 48, 80), generator=generator()).to(torch.uint8)
    return normalise(pictures)


def model(**options):
    torch.manual_seed(0)
    return SPPNet(backbone(), **options)


def generator():
    return torch.Generator().manual_seed(0)


def test_a_window_holds_the_cells_whose_centres_lie_in_the_box():
    features = torch.zeros(1, 1, 6, 10)
    assert window([8.0, 16.0, 40.0, 32.0], 8, features) == (2, 4, 1, 5)
    assert window([11.9, 12.1, 28.1, 20.1], 8, features) == (2, 3, 1, 4)
    assert window([9.0, 9.0, 10.0, 10.0], 8, features) == (
        1,
        2,
        1,
        2,
    )  # no centre inside: one cell all the same
    assert window([-20.0, 40.0, 200.0, 90.0], 8, features) == (5, 6, 0, 10)
    assert window([300.0, 300.0, 310.0, 310.0], 8, features) == (5, 6, 9, 10)


def test_pooling_is_the_pyramid_of_the_window_at_the_scale_that_suits_it():
    detector = model(levels=(3, 1), scales=(1.0, 2.0), window_side=32.0).eval()
    boxes = torch.tensor([[8.0, 4, 40, 36], [50, 10, 66, 26]])  # sides 32 and 16
    with torch.no_grad():
        pooled = detector.pool(images(), [boxes, boxes[:0]])
        once = detector.backbone(images()[:1])
        twice = detector.backbone(
            torch.nn.functional.interpolate(images()[:1], scale_factor=2, mode="bilinear")
        )
    assert pooled.shape == (2, 128 * 10)
    torch.testing.assert_close(pooled[:1], spatial_pyramid_pool(once[:, :, 0:4, 1:5], (3, 1)))
    torch.testing.assert_close(pooled[1:], spatial_pyramid_pool(twice[:, :, 2:6, 12:16], (3, 1)))


def test_the_convolutions_stay_as_they_are():
    detector = model().train()
    before = {name: value.clone() for name, value in detector.backbone.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in detector.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(8):
        loss = detector.losses(images(), TARGETS, BOXES, generator())["class"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(before[name], value) for name, value in detector.backbone.state_dict().items())


def test_the_learners_pooling_does_the_work():
    called = []

    def learners(features, levels):
        called.append(tuple(features.shape[:2]))
        return spatial_pyramid_pool(features, levels)

    theirs = model(spatial_pyramid_pool=learners).losses(images(), TARGETS, BOXES, generator())
    assert called == [(1, 128)] * 6  # each true box is a proposal and a candidate once more
    assert theirs == model().losses(images(), TARGETS, BOXES, generator())
    assert model(spatial_pyramid_pool=learners).recipe != model().recipe


def test_no_regions():
    assert model().pool(images(), [torch.zeros(0, 4)] * 2).shape == (0, 128 * 21)
