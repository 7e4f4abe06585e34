"""Exercise 30: spatial pyramid pooling (He et al. 2014, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from detseg.layers import spatial_pyramid_pool as reference

from .exercise import Case, Exercise, Family, Misconception

Bins = list[tuple[int, int]]

# --- cases ------------------------------------------------------------------------------------------------


def _features(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        (_features(generator, 1, 2, 6, 9), [1, 3]), "a 6 x 9 map that the levels 1 and 3 divide evenly"
    )
    yield Case(
        (_features(generator, 1, 2, 7, 11), [1, 2, 4]), "a 7 x 11 map, which the levels 2 and 4 do not divide"
    )


def _batches(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_features(generator, 3, 2, 5, 8), [1, 2]), "three images, each of which gets its own row")
    yield Case((_features(generator, 0, 3, 5, 8), [2, 1]), "a batch without any image")


def _level_order(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_features(generator, 1, 3, 6, 10), [2, 4, 1]), "levels in the order 2, 4, 1")
    yield Case((_features(generator, 2, 2, 7, 5), (3, 2)), "levels from fine to coarse, given as a tuple")


def _small_map(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_features(generator, 1, 2, 3, 5), [1, 4]), "a 3 x 5 map with more bins than cells")
    yield Case((_features(generator, 2, 2, 1, 2), [2, 3]), "a 1 x 2 map, smaller than every level")


def _negative(generator: torch.Generator) -> Iterator[Case]:
    features = -_features(generator, 1, 2, 7, 10).abs() - 1
    yield Case((features, [2, 3]), "features that are all negative")
    yield Case((features * 1e30, [1, 4]), "huge negative features")


def _gradient(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_features(generator, 2, 3, 7, 11), [1, 3]), "the gradient of features", gradient_of=(0,))


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 2, 11, 3, 8).permute(0, 2, 3, 1)  # [2, 3, 8, 11], not contiguous
    yield Case((features, [3, 1]), "a feature map whose memory is not contiguous")
    yield Case((features.double(), [2, 3]), "float64 features")


def _random(generator: torch.Generator) -> Iterator[Case]:
    for _ in range(3):
        height, width = torch.randint(4, 14, (2,), generator=generator).tolist()
        features = _features(generator, 2, 3, height, width + 3)
        levels = (torch.randperm(5, generator=generator)[:3] + 1).tolist()
        yield Case((features, levels), f"a {height} x {width + 3} map and the levels {levels}")


def _locate(case: Case, index: tuple[int, ...]) -> str:
    features, levels = case.arguments
    position, start = index[-1], 0
    for level in levels:
        cells = features.shape[1] * level**2
        if position < start + cells:
            channel, number = divmod(position - start, level**2)
            row, column = divmod(number, level)
            (top, bottom), (left, right) = (
                _bins(features.shape[2], level)[row],
                _bins(features.shape[3], level)[column],
            )
            return (
                f"Position {position} holds level {level}, channel {channel}, bin row {row}, bin column {column}: "
                f"rows {top} to {bottom - 1} and columns {left} to {right - 1} of the map"
            )
        start += cells
    return ""


# --- one loop, many ways to write its parts wrong -----------------------------------------------------------


def _bins(cells: int, bins: int) -> Bins:
    """First and one-past-last cell of each bin."""
    return [(i * cells // bins, -(-(i + 1) * cells // bins)) for i in range(bins)]


def _maximum(cells: Tensor) -> Tensor:
    """Maximum over [N, C, h, w] -> [N, C]; 0 where a wrong bin holds no cell."""
    return cells.amax((2, 3)) if cells.shape[2] * cells.shape[3] else cells.new_zeros(cells.shape[:2])


def _level_by_level(grids: Sequence[Tensor]) -> Tensor:
    return torch.cat([grid.flatten(1) for grid in grids], 1)  # [N, C x sum(l^2)]


def _loop(
    rows: Callable[[int, int], Bins] = _bins,
    columns: Callable[[int, int], Bins] | None = None,
    reduce: Callable[[Tensor], Tensor] = _maximum,
    order: Callable[[Sequence[int]], Sequence[int]] = lambda levels: levels,
    arrange: Callable[[Sequence[Tensor]], Tensor] = _level_by_level,
    square: bool = False,
) -> Callable[[Tensor, Sequence[int]], Tensor]:
    """Three plain loops over levels, bin rows and bin columns, with every decision as a parameter."""

    def spatial_pyramid_pool(features: Tensor, levels: Sequence[int]) -> Tensor:
        height, width = features.shape[2:]
        grids = []
        for level in order(levels):
            vertical = rows(height, level)
            horizontal = (columns or rows)(height if square else width, level)
            grid = [
                reduce(features[:, :, t:b, left:right]) for t, b in vertical for left, right in horizontal
            ]
            grids.append(torch.stack(grid, 2).unflatten(2, (level, level)))  # [N, C, l, l]
        return arrange(grids)

    return spatial_pyramid_pool


def _bins_of_one_size(cells: int, bins: int) -> Bins:
    step = max(cells // bins, 1)
    return [(i * step, (i + 1) * step) for i in range(bins)]


def _padded_bins(cells: int, bins: int) -> Bins:
    size = -(-cells // bins)
    before = (size * bins - cells + 1) // 2
    return [(max(i * size - before, 0), max((i + 1) * size - before, 0)) for i in range(bins)]


def _windows(window: Callable[[int, int], tuple[int, int]]) -> Callable[[Tensor, Sequence[int]], Tensor]:
    """One `max_pool2d` for each level, with a window and a stride made from the cells and the level."""

    def spatial_pyramid_pool(features: Tensor, levels: Sequence[int]) -> Tensor:
        grids = []
        for level in levels:
            (height, down), (width, right) = (window(cells, level) for cells in features.shape[2:])
            grids.append(F.max_pool2d(features, (height, width), (down, right)))
        return _level_by_level(grids)

    return spatial_pyramid_pool


# --- right ones, written differently ------------------------------------------------------------------------


def _by_masks(features: Tensor, levels: Sequence[int]) -> Tensor:
    """All bins of a level at once: rows, then columns, as maxima over masked cells."""

    def masked_maximum(values: Tensor, bins: int) -> Tensor:  # [..., cells] -> [..., bins]
        cells = values.shape[-1]
        i, at = torch.arange(bins, device=values.device)[:, None], torch.arange(cells, device=values.device)
        inside = (at >= i * cells // bins) & (at * bins < (i + 1) * cells)  # [bins, cells]
        return values[..., None, :].masked_fill(~inside, -torch.inf).amax(-1)

    grids = [
        masked_maximum(masked_maximum(features, level).transpose(2, 3), level).transpose(2, 3)
        for level in levels
    ]
    return _level_by_level(grids)


EXERCISE = Exercise(
    name="spatial_pyramid_pool",
    number=30,
    lab="05_fast_rcnn",
    task="Max-pool a feature map of any size into a vector of one fixed length: a pyramid of grids.",
    difficulty=2,
    importance=4,
    minutes=15,
    oracle=reference,
    tolerance=(0.0, 0.0),
    axes=("image", "position"),
    locate=_locate,
    delegates=("torchvision.*", "*adaptive_max_pool*", "*adaptive_avg_pool*"),
    families=(
        Family("ordinary maps", _ordinary),
        Family("batches", _batches),
        Family("order of the levels", _level_order),
        Family("small maps", _small_map),
        Family("gradient", _gradient),
        Family("negative features", _negative, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random maps", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "average instead of maximum",
            _loop(reduce=lambda cells: cells.mean((2, 3))),
            "Pyramid pooling keeps the strongest response in each bin: take the maximum, not the mean.",
        ),
        Misconception(
            "bins of one fixed size",
            _loop(rows=_bins_of_one_size),
            "H // l cells a bin lose the last rows: bin i covers floor(i H / l) up to ceil((i + 1) H / l).",
        ),
        Misconception(
            "bins that do not overlap",
            _loop(rows=lambda a, n: [(i * a // n, (i + 1) * a // n) for i in range(n)]),
            "A bin ends at ceil((i + 1) H / l), not at the floor: neighbours may share cells.",
        ),
        Misconception(
            "max_pool2d with one window",
            _windows(lambda cells, level: (cells // level, cells // level)),
            "A window of H // l cells leaves a rest when l does not divide H: cut each bin out and take its maximum.",
        ),
        Misconception(
            "window and stride from the paper",
            _windows(lambda cells, level: (-(-cells // level), cells // level)),
            "ceil(H / l) cells every floor(H / l) can make more than l bins; compute each bin's own start and end.",
        ),
        Misconception(
            "map padded to a multiple of the level",
            _loop(rows=_padded_bins),
            "Padding moves every bin: without it, let bin i cover floor(i H / l) up to ceil((i + 1) H / l).",
        ),
        Misconception(
            "levels sorted",
            _loop(order=sorted),
            "The levels come in the order in which they were given; do not sort them.",
        ),
        Misconception(
            "all levels of one channel together",
            _loop(arrange=lambda grids: torch.cat([grid.flatten(2) for grid in grids], 2).flatten(1)),
            "The order is level, then channel: flatten each level to [N, C l^2] before you concatenate.",
        ),
        Misconception(
            "channels last",
            _loop(arrange=lambda grids: _level_by_level([grid.permute(0, 2, 3, 1) for grid in grids])),
            "Within a level the order is channel, row, column: flatten [N, C, l, l], not [N, l, l, C].",
        ),
        Misconception(
            "rows and columns swapped",
            _loop(arrange=lambda grids: _level_by_level([grid.mT for grid in grids])),
            "Bins run row by row: the outer loop goes over rows (the height), the inner one over columns.",
        ),
        Misconception(
            "map taken for a square",
            _loop(square=True),
            "The map is H x W: make the bins of the columns from W = features.shape[3], not from H.",
        ),
        Misconception(
            "maximum started at zero",
            _loop(reduce=lambda cells: _maximum(cells).clamp(min=0)),
            "A maximum that starts from 0 hides negative features; start from -inf or use .amax((2, 3)).",
        ),
        Misconception(
            "images flattened together",
            _loop(arrange=lambda grids: torch.cat([grid.flatten() for grid in grids])),
            "Each image keeps its own row: .flatten(1) each level and concatenate along dimension 1.",
        ),
        Misconception(
            "zeros on the CPU",
            _loop(
                arrange=lambda grids: torch.cat([torch.zeros(len(grids[0]), 0), _level_by_level(grids)], 1)
            ),
            "torch.zeros(...) lives on the CPU: use features.new_zeros(...) or device=features.device.",
        ),
    ),
    right_variants=(_loop(), _by_masks),
    hints=(
        "Start with one level l: two nested loops over the l x l bins. "
        "features[:, :, top:bottom, left:right].amax((2, 3)) does one bin of all images and channels.",
        "Bin row i covers the rows floor(i H / l) up to, not including, ceil((i + 1) H / l). "
        "In integers: i * H // l and -(-(i + 1) * H // l). The same with W for the columns.",
        "Put the bins of one level together as [N, C, l, l], flatten that to [N, C l^2] with .flatten(1), "
        "and concatenate the levels along dimension 1 in the order given.",
    ),
)
