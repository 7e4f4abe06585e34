import pytest
import torch
import torchvision

from detseg.layers import roi_pool
from detseg.layers.roi_pool import _pool_plain, _PoolFast, bin_edges, round_half_away

NAN, INF = float("nan"), float("inf")


def maps(batch, channels, height, width, seed, relu=True):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, height, width, generator=generator)
    return features.relu() if relu else features


def some_rois(count, batch, height, width, stride, seed, half_way=False):
    """Corners in any order, in and out of the image; ``half_way``: at multiples of half a cell."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([width, height, width, height]) * stride
    corners = (torch.rand(count, 4, generator=generator) * 1.6 - 0.3) * size
    if half_way:
        corners = (corners / (stride / 2)).round() * (stride / 2)
    ordered = torch.cat(
        [torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])], dim=1
    )
    corners = torch.where(torch.rand(count, 1, generator=generator) < 0.8, ordered, corners)
    image = torch.randint(0, batch, (count, 1), generator=generator)
    return torch.cat([image, corners], dim=1)


def assert_equal_to_torchvision(features, rois, output_size, scale):
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    pooled = roi_pool(ours, rois, output_size, scale)
    oracle = torchvision.ops.roi_pool(theirs, rois, output_size, scale)
    assert pooled.dtype == oracle.dtype
    assert pooled.shape == oracle.shape
    assert pooled.equal(oracle)
    assert roi_pool(features, rois, output_size, scale).equal(oracle)  # without gradients other code runs
    weights = torch.randn(oracle.shape, generator=torch.Generator().manual_seed(1)).to(oracle.dtype)
    (pooled * weights).sum().backward()
    (oracle * weights).sum().backward()
    tolerance = 1e-2 if features.dtype == torch.float16 else 1e-5  # torchvision adds half gradients in half
    torch.testing.assert_close(ours.grad, theirs.grad, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("output_size", [1, 2, 5, 7, (3, 6), (7, 1)])
@pytest.mark.parametrize("half_way", [False, True])
@pytest.mark.parametrize(
    ("batch", "channels", "height", "width"), [(1, 3, 9, 17), (3, 70, 13, 8), (2, 1, 1, 5)]
)
def test_equals_torchvision(batch, channels, height, width, half_way, output_size):
    features = maps(batch, channels, height, width, seed=height)
    rois = some_rois(40, batch, height, width, 16, seed=width, half_way=half_way)
    assert_equal_to_torchvision(features, rois, output_size, 1 / 16)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_equals_torchvision_on_random_maps(seed, relu):
    generator = torch.Generator().manual_seed(seed)
    batch, channels, height, width = (int(torch.randint(1, 20, (), generator=generator)) for _ in range(4))
    features = maps(batch, channels, height, width, seed, relu)
    rois = some_rois(30, batch, height, width, 8, seed, half_way=bool(seed % 2))
    assert_equal_to_torchvision(features, rois, (5, 7), 1 / 8)


@pytest.mark.parametrize("corners", [(8, 24, 40, 56), (-8, -24, 8, 24), (24, 8, 24, 8), (-40, 8, 56, 24)])
def test_halves_round_away_from_zero(corners):
    rois = torch.tensor([[0.0, *corners]])
    assert_equal_to_torchvision(maps(1, 2, 5, 6, 0), rois, (2, 3), 1 / 16)


@pytest.mark.parametrize(
    "corners",
    [
        (500, 500, 600, 600),  # outside the map
        (-300, -300, -200, -200),
        (30, 30, 30, 30),  # a point
        (60, 40, 20, 10),  # corners exchanged: one cell
        (-50, -50, 400, 400),  # larger than the map
        (0, 0, 16, 500),
    ],
)
def test_every_region_is_legal(corners):
    rois = torch.tensor([[0.0, *corners], [1.0, 3.0, 5.0, 70.0, 60.0]])
    assert_equal_to_torchvision(maps(2, 4, 6, 9, 1), rois, (3, 2), 1 / 16)


def test_a_region_outside_is_0():
    pooled = roi_pool(maps(1, 2, 4, 5, 0) + 1, torch.tensor([[0.0, 900, 900, 950, 950]]), 2, 1 / 16)
    assert pooled.eq(0).all()


def test_worked_by_hand():
    features = torch.tensor([[[[1.0, 2, 3, 9], [4, 5, 6, 8], [7, 0, 1, 2]]]])
    rois = torch.tensor([[0.0, 0, 0, 2, 1]])  # 3 columns, 2 rows: the bins share the middle column
    assert roi_pool(features, rois, (1, 2), 1.0).tolist() == [[[[5, 6]]]]
    assert roi_pool(features, rois, (2, 1), 1.0).tolist() == [[[[3], [6]]]]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_dtypes(dtype):
    features = maps(2, 3, 9, 12, 4).to(dtype)
    rois = some_rois(20, 2, 9, 12, 16, 5).round().to(dtype)
    assert_equal_to_torchvision(features, rois, 2, 1 / 16)  # two bins: torchvision's half edges are exact


def test_bfloat16_has_no_oracle_but_float32():
    features, rois = maps(1, 3, 9, 12, 4).bfloat16(), some_rois(20, 1, 9, 12, 16, 5)
    assert roi_pool(features, rois, 3, 1 / 16).equal(roi_pool(features.float(), rois, 3, 1 / 16).bfloat16())


def test_views_and_channels_last():
    features, rois = maps(2, 6, 10, 7, 6), some_rois(20, 2, 10, 7, 8, 7)
    expected = roi_pool(features, rois, 3, 1 / 8)
    assert roi_pool(features.contiguous(memory_format=torch.channels_last), rois, 3, 1 / 8).equal(expected)
    assert roi_pool(features.transpose(2, 3).contiguous().transpose(2, 3), rois, 3, 1 / 8).equal(expected)
    assert roi_pool(features, rois.T.contiguous().T, 3, 1 / 8).equal(expected)
    assert_equal_to_torchvision(features.repeat(1, 2, 1, 1)[:, ::2], rois, 3, 1 / 8)


def test_no_regions():
    features = maps(2, 6, 10, 7, 6).requires_grad_()
    pooled = roi_pool(features, torch.zeros(0, 5), (3, 2), 1 / 8)
    assert pooled.shape == (0, 6, 3, 2)
    pooled.sum().backward()
    assert features.grad.eq(0).all()


def test_the_gradient_goes_to_the_first_of_equals():
    for value in (0.0, 2.5, -2.5, -INF):
        features = torch.full((1, 1, 2, 3), value, requires_grad=True)
        pooled = roi_pool(features, torch.tensor([[0.0, 1, 0, 2, 1]]), 1, 1.0)
        assert pooled.item() == value
        pooled.sum().backward()
        assert features.grad.tolist() == [[[[0, 1, 0], [0, 0, 0]]]]


def test_extreme_values_keep_their_bits():
    values = torch.tensor([0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, INF, -INF, 1.0, 1.0000001])
    features = values.view(1, 1, 2, 5).requires_grad_()
    cells = torch.tensor([[0.0, x, y, x, y] for y in range(2) for x in range(5)])
    pooled = roi_pool(features, cells, 1, 1.0)
    assert pooled.flatten().equal(values)
    pooled.sum().backward()
    assert features.grad.eq(1).all()


def test_the_fast_form_equals_the_plain_one():
    generator = torch.Generator().manual_seed(8)
    for channels in (1, 64, 65, 200):
        rows = (torch.randn(50, channels, generator=generator) * 2).round()  # many equal values
        count = torch.randint(0, 6, (40,), generator=generator)  # bags may be empty
        starts = torch.nn.functional.pad(count.cumsum(0), (1, 0))
        bags = [torch.randperm(50, generator=generator)[:n].sort().values for n in count.tolist()]
        gradients = []
        for pool in (_pool_plain, _PoolFast.apply):
            leaf = rows.clone().requires_grad_()
            pooled = pool(leaf, starts, torch.cat(bags))
            pooled.backward(torch.arange(pooled.numel(), dtype=torch.float32).view_as(pooled))
            gradients.append((pooled.detach(), leaf.grad))
        assert gradients[0][0].equal(gradients[1][0])
        assert gradients[0][1].equal(gradients[1][1])


def test_double_precision_passes_gradcheck():
    features = torch.randn(2, 2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rois = some_rois(5, 2, 5, 4, 8, 3).double()
    assert torch.autograd.gradcheck(lambda f: roi_pool(f, rois, 2, 1 / 8), features.requires_grad_())


def test_inputs_are_not_changed():
    features, rois = maps(1, 3, 8, 9, 2), some_rois(9, 1, 8, 9, 8, 2)
    before = features.clone(), rois.clone()
    roi_pool(features, rois, 3, 1 / 8)
    assert features.equal(before[0])
    assert rois.equal(before[1])


def test_bins_cover_every_size_exactly():
    """The rule in integers, where torchvision's floating point takes in a cell too many (57 cells, 7 bins)."""
    for size in range(1, 80):
        start, end = bin_edges(torch.tensor([0]), torch.tensor([size - 1]), 7, 1000)
        assert start[0].tolist() == [i * size // 7 for i in range(7)]
        assert end[0].tolist() == [((i + 1) * size + 6) // 7 for i in range(7)]


def test_round_half_away():
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -0.49, 3.0])
    assert round_half_away(x).tolist() == [1, 2, 3, -1, -2, -3, 0, 0, 3]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"features": torch.zeros(2, 3, 4)}, ValueError, r"features must be \[N, C, H, W\]"),
        ({"features": torch.zeros(1, 3, 0, 4)}, ValueError, "H, W > 0"),
        ({"features": torch.zeros(1, 3, 4, 5, dtype=torch.int64)}, TypeError, "floating point"),
        ({"features": [1]}, TypeError, "list"),
        ({"rois": torch.zeros(2, 4)}, ValueError, r"rois must be \[N, 5\]"),
        ({"rois": torch.tensor([[0, 0, NAN, 1, 1]])}, ValueError, r"rois\[0\] is not finite"),
        ({"rois": torch.tensor([[1.0, 0, 0, 1, 1]])}, ValueError, "image 1 of a batch of 1"),
        ({"rois": torch.tensor([[-1.0, 0, 0, 1, 1]])}, ValueError, "image -1 of a batch"),
        ({"rois": torch.tensor([[0.5, 0, 0, 1, 1]])}, ValueError, "image 0.5 of a batch"),
        ({"output_size": 0}, ValueError, "output_size"),
        ({"output_size": (2, -1)}, ValueError, "output_size"),
        ({"spatial_scale": 0.0}, ValueError, "spatial_scale"),
    ],
)
def test_bad_input_is_named(change, error, words):
    arguments = {
        "features": torch.zeros(1, 3, 4, 5),
        "rois": torch.zeros(1, 5),
        "output_size": 2,
        "spatial_scale": 0.5,
    }
    with pytest.raises(error, match=words):
        roi_pool(**(arguments | change))
