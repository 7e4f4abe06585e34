import pytest
import torch

from detseg.layers.conv_macs import conv_macs


def test_equals_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.conv2d(torch.zeros(1, 3, 9, 12), torch.zeros(8, 3, 5, 5))
    assert conv_macs(3, 8, 5, 5, 8) == counter.get_total_flops() // 2
    assert isinstance(conv_macs(512, 512, 3, 10**6, 10**6), int)


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="negative"):
        conv_macs(3, 8, -1, 4, 4)
