import pytest
import torch

from detseg.layers import spatial_pyramid_pool


def by_loops(features, levels):
    batch, channels, height, width = features.shape
    values = []
    for level in levels:
        for channel in range(channels):
            for i in range(level):
                for j in range(level):
                    top, bottom = i * height // level, -(-(i + 1) * height // level)
                    left, right = j * width // level, -(-(j + 1) * width // level)
                    values.append(features[:, channel, top:bottom, left:right].amax((1, 2)))
    return torch.stack(values, dim=1) if values else features.new_zeros(batch, 0)


@pytest.mark.parametrize("size", [(7, 5), (4, 9), (1, 3), (13, 16)])
@pytest.mark.parametrize("levels", [(4, 2, 1), (3,), [1, 6]])
def test_equals_the_loops(size, levels):
    features = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert spatial_pyramid_pool(features, levels).equal(by_loops(features, levels))


def test_the_length_does_not_depend_on_the_map():
    lengths = {
        spatial_pyramid_pool(torch.zeros(1, 5, h, w), (3, 2, 1)).shape[1] for h, w in ((3, 8), (20, 11))
    }
    assert lengths == {5 * 14}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_dtype_views_and_no_images(dtype):
    features = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    pooled = spatial_pyramid_pool(features.transpose(2, 3), (2, 1))
    assert pooled.dtype == dtype
    assert pooled.equal(by_loops(features.transpose(2, 3), (2, 1)))
    assert spatial_pyramid_pool(features[:0], (2, 1)).shape == (0, 15)


def test_gradient():
    features = torch.randn(1, 2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda f: spatial_pyramid_pool(f, (3, 1)), features.requires_grad_())


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\[N, C, H, W\]"):
        spatial_pyramid_pool(torch.zeros(3, 4, 5), (1,))
    with pytest.raises(ValueError, match="levels"):
        spatial_pyramid_pool(torch.zeros(1, 3, 4, 5), ())
    with pytest.raises(ValueError, match="levels"):
        spatial_pyramid_pool(torch.zeros(1, 3, 4, 5), (2, 0))
    with pytest.raises(TypeError, match="floating point"):
        spatial_pyramid_pool(torch.zeros(1, 3, 4, 5, dtype=torch.int32), (1,))
