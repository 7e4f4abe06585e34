"""A fully connected layer is a convolution as large as its input (Long et al. 2015, section 3.1)."""

import torch
from torch import nn


def linear_to_conv(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    """The same function as a convolution: on a larger map it classifies every window at once.

    Args:
        linear: a layer over a flattened ``[channels, height, width]``.
        channels: of the map that was flattened.
        height: of that map.
        width: of that map.

    Returns:
        A convolution with a ``height`` x ``width`` kernel and copies of the weights, on the same device.

    Raises:
        ValueError: the layer does not take channels x height x width numbers.
    """
    if linear.in_features != channels * height * width:
        raise ValueError(
            f"the layer takes {linear.in_features} numbers, not {channels} x {height} x {width}: "
            "give the size of the map it was trained on"
        )
    conv = nn.Conv2d(
        channels,
        linear.out_features,
        (height, width),
        bias=linear.bias is not None,
        device=linear.weight.device,
        dtype=linear.weight.dtype,
    )
    with torch.no_grad():
        conv.weight.copy_(linear.weight.view_as(conv.weight))
        if conv.bias is not None:
            conv.bias.copy_(linear.bias)
    return conv
