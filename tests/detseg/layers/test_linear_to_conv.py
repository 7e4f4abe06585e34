import pytest
import torch
from torch import nn

from detseg.layers import linear_to_conv


@pytest.mark.parametrize("bias", [True, False])
def test_the_same_function_at_every_window(bias):
    torch.manual_seed(0)
    linear = nn.Linear(3 * 4 * 5, 7, bias=bias)
    conv = linear_to_conv(linear, 3, 4, 5)
    assert (conv.bias is not None) == bias
    x = torch.randn(2, 3, 6, 9, generator=torch.Generator().manual_seed(0))
    out = conv(x)
    assert out.shape == (2, 7, 3, 5)
    for i in range(3):
        for j in range(5):
            torch.testing.assert_close(
                out[:, :, i, j], linear(x[:, :, i : i + 4, j : j + 5].flatten(1)), atol=1e-5, rtol=1e-5
            )


def test_keeps_the_dtype_and_refuses_another_map():
    assert linear_to_conv(nn.Linear(12, 2).double(), 3, 2, 2).weight.dtype == torch.float64
    with pytest.raises(ValueError, match="takes 12 numbers, not 3 x 2 x 3"):
        linear_to_conv(nn.Linear(12, 2), 3, 2, 3)
