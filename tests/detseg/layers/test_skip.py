import pytest
import torch
from torch.nn import functional as F

from detseg.layers import bilinear_kernel, fuse_skip


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def crop(x, height, width):
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


@pytest.mark.parametrize("skip_size", [(6, 10), (5, 10), (9, 7), (3, 13), (8, 4)])
def test_equals_torch(skip_size):
    coarse, skip = random(2, 3, 3, 5).requires_grad_(), random(2, 3, *skip_size, seed=1)
    doubled = F.conv_transpose2d(coarse, bilinear_kernel(3, 2), stride=2, padding=1)
    height, width = min(6, skip_size[0]), min(10, skip_size[1])
    oracle = crop(doubled, height, width) + crop(skip, height, width)
    fused = fuse_skip(coarse, skip)
    torch.testing.assert_close(fused, oracle)
    grads = [torch.autograd.grad(y.square().sum(), coarse)[0] for y in (fused, oracle)]
    torch.testing.assert_close(*grads)


def test_keeps_float64_and_refuses_other_classes():
    assert fuse_skip(random(1, 2, 3, 4).double(), random(1, 2, 6, 8).double()).dtype == torch.float64
    with pytest.raises(ValueError, match="coarse and skip"):
        fuse_skip(random(1, 2, 3, 4), random(1, 3, 6, 8))
