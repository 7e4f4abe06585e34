"""Layers: what a network does to feature maps."""

from detseg.layers.conv_macs import conv_macs
from detseg.layers.linear_to_conv import linear_to_conv
from detseg.layers.max_unpooling import max_pool_with_switches, max_unpool
from detseg.layers.paste_masks import paste_masks
from detseg.layers.roi_align import bilinear_sample, roi_align
from detseg.layers.roi_pool import roi_pool
from detseg.layers.skip import fuse_skip
from detseg.layers.spatial_pyramid_pool import spatial_pyramid_pool
from detseg.layers.transposed_conv import bilinear_kernel, conv_transpose2d
from detseg.layers.warp_region import warp_region

__all__ = [
    "bilinear_kernel",
    "bilinear_sample",
    "conv_macs",
    "conv_transpose2d",
    "fuse_skip",
    "linear_to_conv",
    "max_pool_with_switches",
    "max_unpool",
    "paste_masks",
    "roi_align",
    "roi_pool",
    "spatial_pyramid_pool",
    "warp_region",
]
