import numpy as np
import pytest
import torch

from detseg.proposals.objectness import colour_contrast, objectness, superpixels_straddling


def halves():
    """Left half of 12 x 20 is segment 0, right half segment 1."""
    segments = np.zeros((12, 20), np.int64)
    segments[:, 10:] = 1
    return segments


def test_superpixels_straddling_by_hand():
    boxes = np.array([[0.0, 0, 10, 12], [0, 0, 4, 12], [8, 0, 16, 12], [0, 0, 20, 12], [3, 3, 3, 9]])
    # whole segment 0; 4 of its 10 columns; 2 and 6 of 10 columns, of which min(2, 8) and min(6, 4) straddle; both; none
    expected = [1, 1 - 4 / 4, 1 - (2 + 4) / 8, 1, 0]
    np.testing.assert_allclose(superpixels_straddling(halves(), boxes), expected)


def test_contrast_is_high_where_the_colours_change_at_the_border():
    pixels = np.full((24, 40, 3), 30, np.uint8)
    pixels[6:16, 10:26] = (220, 40, 40)
    boxes = np.array([[10.0, 6, 26, 16], [12, 8, 20, 14], [0, 0, 40, 24]])
    around = np.array([[5.0, 1, 31, 21], [11, 7, 21, 15], [-9, -9, 50, 40]])
    tight, inside, whole = colour_contrast(pixels, boxes, around)
    assert tight == 1
    assert inside == 0  # the same colour on both sides of its border
    assert whole == 0  # nothing around it


def test_the_object_scores_best():
    pixels = np.full((40, 64, 3), 60, np.uint8)
    pixels += np.random.default_rng(0).integers(0, 6, pixels.shape, dtype=np.uint8)
    pixels[12:28, 20:50] = (210, 180, 90)
    boxes = torch.tensor([[4.0, 3, 30, 20], [20, 12, 50, 28], [26, 14, 60, 36], [22, 15, 40, 25]])
    scores = objectness(torch.from_numpy(pixels).permute(2, 0, 1), boxes)
    assert scores.dtype == torch.float32
    assert scores.argmax() == 1
    assert ((scores >= 0) & (scores <= 2)).all()


def test_empty_and_far_away_windows():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    assert objectness(pixels, torch.zeros(0, 4)).shape == (0,)
    assert objectness(pixels, torch.tensor([[100.0, 100, 120, 130], [5, 5, 5, 9]])).tolist() == [0, 0]


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="uint8"):
        objectness(np.zeros((8, 8, 3), np.float32), torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"\[N, 4\]"):
        objectness(np.zeros((8, 8, 3), np.uint8), torch.zeros(4))
