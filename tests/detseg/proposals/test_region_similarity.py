import pytest
import torch

from detseg.proposals.region_similarity import region_similarity


def region(colour, texture, size, box):
    return {
        "colour": torch.tensor(colour),
        "texture": torch.tensor(texture),
        "size": size,
        "box": torch.tensor(box),
    }


def test_worked_by_hand():
    a = region([0.5, 0.5, 0.0], [1.0, 0.0], 6, [0.0, 0.0, 4.0, 2.0])
    b = region([0.25, 0.25, 0.5], [0.25, 0.75], 4, [3.0, 1.0, 5.0, 4.0])
    # colour 0.5, texture 0.25, size 1 - 10 / 100, fill 1 - (20 - 10) / 100
    assert region_similarity(a, b, 100) == pytest.approx(0.5 + 0.25 + 0.9 + 0.9)
    assert region_similarity(b, a, 100) == region_similarity(a, b, 100)


def test_bad_input_is_named():
    a = region([1.0], [1.0], 6, [0.0, 0.0, 4.0, 2.0])
    b = region([0.5, 0.5], [1.0], 6, [0.0, 0.0, 4.0, 2.0])
    with pytest.raises(ValueError, match="one length"):
        region_similarity(a, b, 100)
    with pytest.raises(ValueError, match="image_area"):
        region_similarity(a, a, 0)
