import pytest
import torch
from torchvision.ops import roi_align

from detseg.layers import warp_region


def image(height=19, width=31, dtype=torch.float32):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)).to(dtype)


def by_hand(image, box, size, context):
    """Bilinear reading, pixel by pixel, of an image that is 0 outside."""
    channels, height, width = image.shape
    result = torch.zeros(channels, size, size)

    def value(row, column):
        inside = 0 <= row < height and 0 <= column < width
        return image[:, row, column] if inside else torch.zeros(channels)

    x1, y1, x2, y2 = box.tolist()
    for i in range(size):
        for j in range(size):
            y = y1 + (i + 0.5 - context) / (size - 2 * context) * (y2 - y1) - 0.5
            x = x1 + (j + 0.5 - context) / (size - 2 * context) * (x2 - x1) - 0.5
            top, left = int(y // 1), int(x // 1)
            for row, part in ((top, 1 - (y - top)), (top + 1, y - top)):
                for column, share in ((left, 1 - (x - left)), (left + 1, x - left)):
                    result[:, i, j] += part * share * value(row, column)
    return result


@pytest.mark.parametrize("box", [[3.2, 4.1, 25.7, 11.3], [-6.0, -3.5, 12.0, 30.0], [20.0, 10.0, 40.0, 12.5]])
@pytest.mark.parametrize("context", [0, 2])
def test_it_reads_an_image_that_is_zero_outside(box, context):
    box = torch.tensor(box)
    torch.testing.assert_close(
        warp_region(image(), box, 9, context), by_hand(image(), box, 9, context), atol=1e-5, rtol=0
    )


def test_inside_the_image_it_is_roi_align_with_one_sample():
    box = torch.tensor([5.3, 3.9, 24.1, 15.2])
    rois = torch.cat([torch.zeros(1), box])[None]
    expected = roi_align(image()[None], rois, 8, sampling_ratio=1, aligned=True)[0]
    torch.testing.assert_close(warp_region(image(), box, 8), expected, atol=1e-5, rtol=0)


def test_the_whole_image_at_its_own_size_is_the_image():
    square = image(12, 12)
    torch.testing.assert_close(warp_region(square, torch.tensor([0.0, 0, 12, 12]), 12), square)


def test_context_is_counted_in_the_result():
    ones = torch.ones(1, 40, 60)
    warped = warp_region(ones, torch.tensor([0.0, 0, 60, 40]), 16, context=4)
    assert (warped[0, 4:12, 4:12] == 1).all()
    assert (warped[0, :3] == 0).all()
    assert (warped[0, :, 13:] == 0).all()


def test_a_box_without_area_is_legal_and_gives_finite_numbers():
    assert warp_region(image(), torch.tensor([4.0, 5, 4, 9]), 6, context=1).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept(dtype):
    warped = warp_region(image(dtype=dtype), torch.tensor([3.0, 4, 20, 11]), 7)
    assert warped.dtype == dtype
    exact = warp_region(image(), torch.tensor([3.0, 4, 20, 11]), 7)
    torch.testing.assert_close(warped.float(), exact, atol=0.01, rtol=0)


def test_bad_input_is_named():
    box = torch.tensor([0.0, 0, 4, 4])
    with pytest.raises(TypeError, match=r"image must be floating point.*\.float\(\)"):
        warp_region(torch.zeros(3, 8, 8, dtype=torch.uint8), box, 4)
    with pytest.raises(ValueError, match=r"image must be \[C, H, W\]"):
        warp_region(torch.zeros(1, 3, 8, 8), box, 4)
    with pytest.raises(ValueError, match="one box at a time"):
        warp_region(image(), box[None], 4)
    with pytest.raises(ValueError, match="not finite"):
        warp_region(image(), box / 0, 4)
    with pytest.raises(ValueError, match="2 x context"):
        warp_region(image(), box, 4, context=2)
