"""What a convolution costs: the yardstick of every "share the computation" argument (Long et al. 2015, section 3.1)."""


def conv_macs(in_channels: int, out_channels: int, kernel_size: int, out_height: int, out_width: int) -> int:
    """Multiply-adds of one convolution with a square kernel; the bias is not counted.

    Args:
        in_channels: channels read.
        out_channels: channels written.
        kernel_size: the side of the kernel.
        out_height: rows written.
        out_width: columns written.

    Returns:
        One multiply-add for each weight at each output cell.

    Raises:
        ValueError: a negative number.
    """
    sizes = (in_channels, out_channels, kernel_size, out_height, out_width)
    if min(sizes) < 0:
        raise ValueError(f"channels, kernel and output size must not be negative, got {sizes}")
    return in_channels * out_channels * kernel_size**2 * out_height * out_width
