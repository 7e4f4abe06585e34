import numpy as np
import pytest
import torch

from detseg.boxes import box_iou
from detseg.proposals.graph_segmentation import graph_segmentation
from detseg.proposals.selective_search import group_regions, selective_search


def picture(height: int = 60, width: int = 90) -> np.ndarray:
    """A red and a blue rectangle on grass, with a little noise: uint8 [H, W, 3]."""
    image = np.full((height, width, 3), (60, 140, 50))
    image[10:40, 8:30] = (200, 40, 40)
    image[25:55, 50:82] = (30, 60, 190)
    return (image + np.random.default_rng(0).integers(-6, 7, image.shape)).clip(0, 255).astype(np.uint8)


OBJECTS = torch.tensor([[8.0, 10, 30, 40], [50, 25, 82, 55]])


def test_segmentation_finds_the_rectangles():
    segments = graph_segmentation(picture(), scale=1000)
    assert segments.shape == (60, 90)
    assert sorted(np.unique(segments)) == list(range(segments.max() + 1))
    inside, outside = segments[14:36, 12:26], segments[:5]
    assert (inside == inside[0, 0]).all()
    assert (outside == outside[0, 0]).all()
    assert inside[0, 0] != outside[0, 0]


def test_a_larger_scale_gives_fewer_regions_and_none_is_too_small():
    noisy = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    counts = []
    for scale in (20.0, 100.0, 1000.0):
        sizes = np.bincount(graph_segmentation(noisy, scale, min_size=15).ravel())
        assert sizes.min() >= 15
        counts.append(len(sizes))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_grouping_ends_with_the_whole_image_and_boxes_only_grow():
    segments = np.arange(12).reshape(3, 4).repeat(5, 0).repeat(7, 1)  # 12 tiles, [15, 28]
    image = np.random.default_rng(2).integers(0, 256, (15, 28, 3)).astype(np.uint8)
    boxes = group_regions(image, segments)
    assert len(boxes) == 2 * 12 - 1
    assert boxes[0].tolist() == [0, 0, 7, 5]
    assert boxes[-1].tolist() == [0, 0, 28, 15]


def test_the_most_similar_neighbours_merge_first():
    image = np.zeros((8, 32, 3), np.uint8)
    image[:, 8:16], image[:, 16:24], image[:, 24:] = 120, 122, 250
    segments = np.arange(4).repeat(8)[None].repeat(8, 0)
    assert group_regions(image, segments)[4].tolist() == [8, 0, 24, 8]


@pytest.mark.parametrize("as_tensor", [False, True])
def test_objects_are_proposed(as_tensor):
    image = torch.from_numpy(picture()).permute(2, 0, 1) if as_tensor else picture()
    boxes = selective_search(image)
    assert boxes.dtype == torch.float32
    assert (box_iou(OBJECTS, boxes).amax(dim=1) > 0.85).all()
    assert len(torch.unique(boxes, dim=0)) == len(boxes)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= torch.tensor([90, 60])).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) >= 8).all()
    assert torch.equal(boxes, selective_search(picture()))


def test_the_limit_keeps_the_best():
    every = selective_search(picture(), min_side=1)
    assert len(every) > 5
    assert torch.equal(selective_search(picture(), limit=5, min_side=1), every[:5])


def test_flat_tiny_and_odd_images():
    flat = np.full((33, 17, 3), 77, np.uint8)
    assert selective_search(flat).tolist() == [[0, 0, 17, 33]]
    assert selective_search(flat[:7]).shape == (0, 4)
    assert selective_search(flat[:1, :1], min_side=1).tolist() == [[0, 0, 1, 1]]
    assert selective_search(picture()[::2, ::3]).shape[1] == 4  # not contiguous


def test_bad_images_are_named():
    with pytest.raises(TypeError, match="uint8"):
        selective_search(picture().astype(np.float32))
    with pytest.raises(ValueError, match=r"\[H, W, 3\]"):
        selective_search(np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\[H, W, 3\]"):
        selective_search(np.zeros((5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"\[3, H, W\]"):
        selective_search(torch.zeros(5, 5, 3, dtype=torch.uint8))
