import pytest
import torch

from detseg.layers import paste_masks


def by_hand(mask, box, image_size):
    """Sample one mask at the centre of every pixel, with zeros beyond its border."""
    side = len(mask)
    padded = torch.zeros(side + 2, side + 2)
    padded[1:-1, 1:-1] = mask
    x1, y1, x2, y2 = box.tolist()
    pasted = torch.zeros(image_size, dtype=torch.bool)
    for row in range(image_size[0]):
        for column in range(image_size[1]):
            y = (row + 0.5 - y1) / (y2 - y1) * side + 0.5  # index into the padded mask
            x = (column + 0.5 - x1) / (x2 - x1) * side + 0.5
            if not (0 <= y < side + 1 and 0 <= x < side + 1):
                continue
            top, left = int(y), int(x)
            patch = padded[top : top + 2, left : left + 2]
            rows, columns = torch.tensor([top + 1 - y, y - top]), torch.tensor([left + 1 - x, x - left])
            pasted[row, column] = rows @ patch @ columns >= 0.5
    return pasted


def masks(count, side=7):
    return torch.rand(count, side, side, generator=torch.Generator().manual_seed(3))


def test_it_samples_at_pixel_centres_without_rounding_the_box():
    boxes = torch.tensor([[3.3, 2.1, 20.7, 9.2], [-5.5, 4.0, 8.1, 30.3], [17.0, 1.2, 19.9, 14.8]])
    pasted = paste_masks(masks(3), boxes, (17, 23))
    for mask, box, result in zip(masks(3), boxes, pasted, strict=True):
        assert torch.equal(result, by_hand(mask, box, (17, 23)))


def test_a_full_mask_fills_its_box():
    pasted = paste_masks(torch.ones(1, 14, 14), torch.tensor([[4.0, 3, 12, 9]]), (16, 20))
    expected = torch.zeros(16, 20, dtype=torch.bool)
    expected[3:9, 4:12] = True
    assert torch.equal(pasted[0], expected)


def test_one_half_counts():
    assert paste_masks(torch.full((1, 3, 3), 0.5), torch.tensor([[0.0, 0, 6, 6]]), (6, 6))[0, 2:4, 2:4].all()


def test_nothing_to_paste():
    assert paste_masks(torch.zeros(0, 7, 7), torch.zeros(0, 4), (5, 9)).shape == (0, 5, 9)


def test_a_box_without_area_is_empty():
    boxes = torch.tensor([[4.5, 2, 4.5, 9], [3.0, 6, 9, 6]])
    assert not paste_masks(torch.ones(2, 7, 7), boxes, (12, 11)).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    boxes = torch.tensor([[3.0, 2, 15, 9]])
    soft = (masks(1) * 8).round() / 8
    assert torch.equal(paste_masks(soft.to(dtype), boxes, (12, 20)), paste_masks(soft, boxes, (12, 20)))


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="probabilities"):
        paste_masks(torch.ones(1, 7, 7, dtype=torch.bool), torch.zeros(1, 4), (5, 5))
    with pytest.raises(ValueError, match=r"masks must be \[1, m, m\]"):
        paste_masks(torch.ones(2, 7, 7), torch.zeros(1, 4), (5, 5))
    with pytest.raises(ValueError, match="not finite"):
        paste_masks(torch.ones(1, 7, 7), torch.full((1, 4), float("nan")), (5, 5))
    with pytest.raises(ValueError, match=r"\(height, width\)"):
        paste_masks(torch.ones(1, 7, 7), torch.zeros(1, 4), (5, 0))
