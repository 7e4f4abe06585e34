import pytest
import torch
import torchvision

from detseg.layers import bilinear_sample, roi_align


def maps(batch, channels, height, width, seed):
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(seed))


def some_rois(count, batch, height, width, stride, seed):
    generator = torch.Generator().manual_seed(seed)
    corners = (torch.rand(count, 4, generator=generator) * 1.6 - 0.3) * stride
    corners = corners * torch.tensor([width, height, width, height])
    image = torch.randint(0, batch, (count, 1), generator=generator)
    low, high = torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])
    return torch.cat([image, low, high], dim=1)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [1, 2, 3])
@pytest.mark.parametrize("output_size", [1, (3, 5), 7])
@pytest.mark.parametrize(
    ("batch", "channels", "height", "width"), [(1, 3, 9, 17), (3, 20, 13, 8), (2, 1, 1, 5)]
)
def test_equals_torchvision(batch, channels, height, width, output_size, sampling_ratio, aligned):
    ours, theirs = (maps(batch, channels, height, width, 0).requires_grad_() for _ in range(2))
    rois = some_rois(30, batch, height, width, 16, 1)
    pooled = roi_align(ours, rois, output_size, 1 / 16, sampling_ratio, aligned)
    oracle = torchvision.ops.roi_align(theirs, rois, output_size, 1 / 16, sampling_ratio, aligned)
    assert pooled.shape == oracle.shape
    torch.testing.assert_close(pooled, oracle, atol=1e-5, rtol=1e-5)
    weights = torch.randn(oracle.shape, generator=torch.Generator().manual_seed(2))
    (pooled * weights).sum().backward()
    (oracle * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "corners",
    [
        (500, 500, 600, 600),
        (-300, -300, -200, -200),
        (30, 30, 30, 30),
        (60, 40, 20, 10),
        (-50, -50, 400, 400),
    ],
)
@pytest.mark.parametrize("aligned", [True, False])
def test_every_region_is_legal(corners, aligned):
    features, rois = maps(1, 4, 6, 9, 1), torch.tensor([[0.0, *corners]])
    torch.testing.assert_close(
        roi_align(features, rois, (3, 2), 1 / 16, 2, aligned),
        torchvision.ops.roi_align(features, rois, (3, 2), 1 / 16, 2, aligned),
        atol=1e-5,
        rtol=1e-5,
    )


def test_a_slope_is_read_without_rounding():
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(11.0), indexing="ij")
    slope = (3 * y + x)[None, None]
    pooled = roi_align(slope, torch.tensor([[0.0, 1.25, 2.5, 7.25, 6.5]]), (2, 3), 1.0)
    centre_y, centre_x = torch.tensor([3.5, 5.5]) - 0.5, torch.tensor([2.25, 4.25, 6.25]) - 0.5
    torch.testing.assert_close(pooled[0, 0], 3 * centre_y[:, None] + centre_x)


def test_defaults_are_the_papers():
    features, rois = maps(1, 2, 7, 9, 0), some_rois(9, 1, 7, 9, 8, 0)
    assert roi_align(features, rois, 3, 1 / 8).equal(roi_align(features, rois, 3, 1 / 8, 2, True))


def test_float64_half_views_and_no_regions():
    features, rois = maps(2, 6, 10, 7, 6), some_rois(20, 2, 10, 7, 8, 7)
    expected = roi_align(features, rois, 3, 1 / 8)
    torch.testing.assert_close(
        roi_align(features.transpose(2, 3).contiguous().transpose(2, 3), rois, 3, 1 / 8), expected
    )
    torch.testing.assert_close(roi_align(features.double(), rois.double(), 3, 1 / 8).float(), expected)
    half = roi_align(features.half(), rois, 3, 1 / 8)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half, roi_align(features.half().float(), rois, 3, 1 / 8).half())
    assert roi_align(features, rois[:0], (3, 2), 1 / 8).shape == (0, 6, 3, 2)


def test_gradcheck():
    features = maps(2, 2, 4, 5, 0).double().requires_grad_()
    rois = some_rois(4, 2, 4, 5, 8, 3).double()
    assert torch.autograd.gradcheck(lambda f: roi_align(f, rois, 2, 1 / 8), features)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="sampling_ratio"):
        roi_align(torch.zeros(1, 3, 4, 5), torch.zeros(1, 5), 2, 1.0, 0)
    with pytest.raises(ValueError, match="rois"):
        roi_align(torch.zeros(1, 3, 4, 5), torch.zeros(1, 4), 2, 1.0)
    with pytest.raises(ValueError, match="output_size"):
        roi_align(torch.zeros(1, 3, 4, 5), torch.zeros(1, 5), 0, 1.0)


def sample_by_hand(features, y, x):
    channels, height, width = features.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(channels, dtype=features.dtype)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    top = features[:, y0, x0] * (1 - dx) + features[:, y0, x1] * dx
    return top * (1 - dy) + (features[:, y1, x0] * (1 - dx) + features[:, y1, x1] * dx) * dy


def test_bilinear_sample_equals_the_formula():
    features = maps(1, 3, 4, 6, 0)[0].double()
    generator = torch.Generator().manual_seed(1)
    y = torch.rand(5, 7, generator=generator, dtype=torch.float64) * 8 - 2
    x = torch.rand(5, 7, generator=generator, dtype=torch.float64) * 10 - 2
    y[0, :4], x[0, :4] = torch.tensor([-1.0, 4.0, 3.0, 0.0]), torch.tensor([6.0, -1.0, 5.0, 0.0])
    result = bilinear_sample(features, y, x)
    assert result.shape == (3, 5, 7)
    for i in range(5):
        for j in range(7):
            torch.testing.assert_close(
                result[:, i, j], sample_by_hand(features, y[i, j].item(), x[i, j].item())
            )


def test_bilinear_sample_of_nothing_and_bad_input():
    assert bilinear_sample(torch.zeros(3, 4, 5), torch.zeros(0), torch.zeros(0)).shape == (3, 0)
    assert bilinear_sample(torch.ones(3, 1, 1), torch.tensor(0.0), torch.tensor(0.5)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="one shape"):
        bilinear_sample(torch.zeros(3, 4, 5), torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match=r"\[C, H, W\]"):
        bilinear_sample(torch.zeros(1, 3, 4, 5), torch.zeros(2), torch.zeros(2))
