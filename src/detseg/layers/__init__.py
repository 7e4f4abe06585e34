"""Layers: what a network does to feature maps."""

from detseg.layers.roi_pool import roi_pool
from detseg.layers.spatial_pyramid_pool import spatial_pyramid_pool

__all__ = ["roi_pool", "spatial_pyramid_pool"]
