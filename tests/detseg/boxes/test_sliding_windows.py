import pytest
import torch

from detseg.boxes import sliding_windows


def by_loops(height, width, sizes, ratios, stride):
    windows = []
    for size in sizes:
        for ratio in ratios:
            high, wide = size * ratio**0.5, size / ratio**0.5
            y = 0
            while y + high <= height:
                x = 0
                while x + wide <= width:
                    windows.append([x, y, x + wide, y + high])
                    x += stride
                y += stride
    return torch.tensor(windows).reshape(-1, 4)


@pytest.mark.parametrize(
    "case",
    [
        (30, 50, [8.0, 16.0], [1.0, 4.0, 0.25], 3),
        (20, 33, [10.0], [0.5, 2.0], 7),
        (8, 12, [16.0], [1.0], 4),
        (8, 12, [8.0], [1.0], 4),
        (8, 12, [], [1.0], 4),
    ],
)
def test_equals_four_loops(case):
    torch.testing.assert_close(sliding_windows(*case), by_loops(*case))


def test_about_a_hundred_thousand_windows_in_a_photograph():
    sizes = [32 * 2 ** (i / 2) for i in range(8)]
    counts = [len(sliding_windows(375, 500, [size], [0.5, 1, 2], max(1, round(size / 10)))) for size in sizes]
    assert 70_000 < sum(counts) < 130_000


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="stride"):
        sliding_windows(10, 10, [4.0], [1.0], 0)
    with pytest.raises(ValueError, match="sizes"):
        sliding_windows(10, 10, [-4.0], [1.0], 1)
    with pytest.raises(ValueError, match="image_size"):
        sliding_windows(0, 10, [4.0], [1.0], 1)
