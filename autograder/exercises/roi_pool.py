"""Exercise 31: RoI max pooling (Fast R-CNN, section 2.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from detseg.layers import roi_pool as reference

from .exercise import Case, Exercise, Family, Misconception

# --- cases ---------------------------------------------------------------------------


def _features(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 1, 2, 7, 11)
    rois = torch.tensor([[0, 1.0, 0.0, 9.0, 5.0], [0, 2.2, 1.4, 6.7, 6.3]])
    yield Case((features, rois, (2, 3), 1.0), "two RoIs on a 7 x 11 map, 2 x 3 bins")
    features = _features(generator, 1, 3, 9, 14)
    rois = torch.tensor([[0, 9.0, 21.0, 87.0, 61.0], [0, 30.0, 3.0, 59.0, 66.0]])
    yield Case((features, rois, 3, 1 / 8), "image coordinates and a stride of 8, 3 x 3 bins")


def _small_rois(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 1, 2, 8, 12)
    rois = torch.tensor([[0, 16.0, 24.0, 40.0, 32.0], [0, 50.0, 10.0, 51.0, 13.0]])
    yield Case((features, rois, 5, 1 / 8), "RoIs of fewer cells than bins, so that bins share cells")


def _batch(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 3, 2, 8, 13)
    rois = torch.tensor([[2, 8.0, 8.0, 70.0, 55.0], [0, 21.0, 5.0, 90.0, 58.0], [1, 1.0, 30.0, 45.0, 57.0]])
    yield Case((features, rois, 3, 1 / 8), "three images whose RoIs are not in the order of the batch")


def _half_way(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 1, 2, 9, 12)
    rois = torch.tensor([[0, 8.0, 40.0, 136.0, 104.0], [0, 24.0, 8.0, 152.0, 72.0]])
    yield Case(
        (features, rois, 2, 1 / 16), "corners half-way between two cells (odd multiples of 8, stride 16)"
    )


def _beyond_the_map(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 1, 2, 6, 9) - 3  # mostly negative, so that an empty bin's 0 shows
    rois = torch.tensor(
        [[0, -30.0, -21.0, 30.0, 21.0], [0, 50.0, 30.0, 110.0, 90.0], [0, 200.0, 90.0, 262.0, 121.0]]
    )
    yield Case((features, rois, 4, 1 / 8), "RoIs that reach beyond the map, where some bins are empty")
    rois = torch.tensor([[0, -24.0, -40.0, 72.0, 56.0]])
    yield Case((features, rois, 3, 1 / 16), "a RoI that starts half a cell before the map")


def _degenerate(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 1, 2, 6, 10)
    rois = torch.tensor([[0, 21.0, 25.0, 21.0, 25.0], [0, 61.0, 30.0, 30.0, 10.0]])
    yield Case((features, rois, 2, 1 / 8), "RoIs without area: x2 = x1, and x2 < x1")


def _empty(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_features(generator, 1, 2, 5, 8), torch.zeros(0, 5), (2, 3), 1 / 8), "no RoI at all")


def _negative(generator: torch.Generator) -> Iterator[Case]:
    features = 100 * (-_features(generator, 1, 3, 7, 10).abs() - 1)
    rois = torch.tensor([[0, 5.0, 9.0, 70.0, 50.0]])
    yield Case((features, rois, 3, 1 / 8), "features that are all negative, below -100")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 2, 11, 3, 8).permute(0, 2, 3, 1)  # [2, 3, 8, 11], not contiguous
    rois = torch.tensor([[1, 3.0, 9.0, 70.0, 50.0], [0, 30.0, 2.0, 85.0, 58.0]])
    yield Case((features, rois, (3, 2), 1 / 8), "a feature map whose memory is not contiguous")
    yield Case((features.double(), rois.double(), 2, 1 / 8), "float64 features")


def _random(generator: torch.Generator) -> Iterator[Case]:
    for _ in range(3):
        features = _features(generator, 2, 2, 9, 13)
        corners = torch.rand(6, 2, 2, generator=generator) * torch.tensor([110.0, 80.0]) - 4
        low, high = corners.amin(1), corners.amax(1)
        image = torch.randint(2, (6, 1), generator=generator).float()
        yield Case(
            (features, torch.cat([image, low, high], 1), (3, 4), 1 / 8), "six random RoIs on two images"
        )


def _gradient(generator: torch.Generator) -> Iterator[Case]:
    features = _features(generator, 2, 2, 6, 9)
    rois = torch.tensor([[0, 5.0, 3.0, 61.0, 40.0], [1, 10.0, 2.0, 33.0, 42.0], [0, 21.0, 3.0, 66.0, 30.0]])
    yield Case((features, rois, 2, 1 / 8), "overlapping RoIs, whose gradients add up", gradient_of=(0,))


def _locate(case: Case, index: tuple[int, ...]) -> str:
    roi = case.arguments[1][index[0]].tolist()
    return f"RoI {index[0]} is image {roi[0]:g}, box ({', '.join(f'{value:g}' for value in roi[1:])})"


# --- one loop, many ways to write its parts wrong ------------------------------------


def _half_away(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


def _size(output_size: int | tuple[int, int]) -> tuple[int, int]:
    return (output_size, output_size) if isinstance(output_size, int) else output_size


def _bins(start: int, cells: int, bins: int, limit: int) -> list[tuple[int, int]]:
    """First and one-past-last cell of each bin, clipped to the map."""
    edges = [(start + i * cells // bins, start + -(-(i + 1) * cells // bins)) for i in range(bins)]
    return [(min(max(low, 0), limit), min(max(high, 0), limit)) for low, high in edges]


def _loop(
    rounded: Callable[[float], int] = _half_away,
    inclusive: tuple[bool, bool] = (True, True),
    bins: Callable[[int, int, int, int], list[tuple[int, int]]] = _bins,
    empty: float = 0.0,
    reduce: Callable[[Tensor], Tensor] = lambda cells: cells.amax((1, 2)),
    scaled: bool = True,
    image: Callable[[Tensor], int] = lambda roi: int(roi[0]),
) -> Callable[..., Tensor]:
    """RoI pooling as two plain loops, with every decision as a parameter."""

    def roi_pool(
        features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
    ) -> Tensor:
        rows, columns = _size(output_size)
        scale = spatial_scale if scaled else 1.0
        pooled = features.new_full((len(rois), features.shape[1], rows, columns), empty)
        for r, roi in enumerate(rois):
            x1, y1, x2, y2 = (rounded(float(value) * scale) for value in roi[1:])
            height, width = max(y2 - y1 + inclusive[0], 1), max(x2 - x1 + inclusive[1], 1)
            for i, (top, bottom) in enumerate(bins(y1, height, rows, features.shape[2])):
                for j, (left, right) in enumerate(bins(x1, width, columns, features.shape[3])):
                    if bottom > top and right > left:
                        pooled[r, :, i, j] = reduce(features[image(roi), :, top:bottom, left:right])
        return pooled

    return roi_pool


def _bins_without_overlap(start: int, cells: int, bins: int, limit: int) -> list[tuple[int, int]]:
    edges = [(start + i * cells // bins, start + (i + 1) * cells // bins) for i in range(bins)]
    return [(min(max(low, 0), limit), min(max(high, 0), limit)) for low, high in edges]


def _bins_not_cut_off(start: int, cells: int, bins: int, limit: int) -> list[tuple[int, int]]:
    return [(start + i * cells // bins, start + -(-(i + 1) * cells // bins)) for i in range(bins)]


def _bins_of_one_size(start: int, cells: int, bins: int, limit: int) -> list[tuple[int, int]]:
    step = max(cells // bins, 1)
    edges = [(start + i * step, start + (i + 1) * step) for i in range(bins)]
    return [(min(max(low, 0), limit), min(max(high, 0), limit)) for low, high in edges]


def _box_clipped_first(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    height, width = features.shape[2:]
    high = torch.tensor([width - 1, height - 1, width - 1, height - 1]).to(rois) / spatial_scale
    clipped = torch.cat([rois[:, :1], rois[:, 1:].clamp(min=0).minimum(high)], 1)
    return _loop()(features, clipped, output_size, spatial_scale)


def _swapped_axes(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    return _loop()(features, rois[:, [0, 2, 1, 4, 3]], output_size, spatial_scale)


def _no_gradient(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    return _loop()(features.detach(), rois, output_size, spatial_scale)


def _on_the_cpu(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    rows, columns = _size(output_size)
    pooled = torch.zeros(len(rois), features.shape[1], rows, columns, dtype=features.dtype)
    return torch.cat([pooled, _loop()(features, rois, output_size, spatial_scale)])[len(rois) :]


# --- right ones, written differently -------------------------------------------------


def _by_masks(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    """Vectorised over RoIs: rows, then columns, as maxima over masked cells."""
    rows, columns = _size(output_size)
    scaled = rois[:, 1:] * spatial_scale
    x1, y1, x2, y2 = torch.where(scaled >= 0, (scaled + 0.5).floor(), (scaled - 0.5).ceil()).long().unbind(1)

    def masks(first: Tensor, last: Tensor, bins: int, limit: int) -> Tensor:
        cells = (last - first + 1).clamp(min=1)[:, None]  # [R, 1]
        i = torch.arange(bins, device=rois.device)
        low, high = (
            first[:, None] + i * cells // bins,
            first[:, None] - (-(i + 1) * cells) // bins,
        )  # [R, bins]
        at = torch.arange(limit, device=rois.device)
        return (at >= low[..., None]) & (at < high[..., None])  # [R, bins, limit]

    in_row, in_column = masks(y1, y2, rows, features.shape[2]), masks(x1, x2, columns, features.shape[3])
    maps = features[rois[:, 0].long()]  # [R, C, H, W]
    lowest = torch.finfo(features.dtype).min
    tall = maps[:, :, None].masked_fill(~in_row[:, None, :, :, None], lowest).amax(3)  # [R, C, rows, W]
    pooled = (
        tall[:, :, :, None].masked_fill(~in_column[:, None, None], lowest).amax(4)
    )  # [R, C, rows, columns]
    empty = ~(in_row.any(2)[:, :, None] & in_column.any(2)[:, None])  # [R, rows, columns]
    return pooled.masked_fill(empty[:, None], 0)


def _by_bags(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    """Every bin is a bag of cell numbers: one `embedding_bag` takes all the maxima."""
    rows, columns = _size(output_size)
    _, channels, height, width = features.shape
    cells, offsets = [], [0]
    for roi in rois:
        x1, y1, x2, y2 = (_half_away(float(value) * spatial_scale) for value in roi[1:])
        for top, bottom in _bins(y1, max(y2 - y1 + 1, 1), rows, height):
            for left, right in _bins(x1, max(x2 - x1 + 1, 1), columns, width):
                cells += [
                    (int(roi[0]) * height + y) * width + x
                    for y in range(top, bottom)
                    for x in range(left, right)
                ]
                offsets.append(len(cells))
    table = features.permute(0, 2, 3, 1).reshape(-1, channels)  # [N H W, C]
    bags = torch.tensor(offsets[:-1], dtype=torch.long, device=features.device)
    numbers = torch.tensor(cells, dtype=torch.long, device=features.device)
    pooled = F.embedding_bag(numbers, table, bags, mode="max")  # [R rows columns, C]
    return pooled.reshape(len(rois), rows, columns, channels).permute(0, 3, 1, 2)


EXERCISE = Exercise(
    name="roi_pool",
    number=31,
    lab="05_fast_rcnn",
    task="Cut each RoI out of the shared feature map and max-pool it to a fixed size.",
    difficulty=5,
    importance=5,
    minutes=40,
    oracle=reference,
    tolerance=(0.0, 0.0),
    axes=("RoI", "channel", "bin row", "bin column"),
    locate=_locate,
    delegates=("torchvision.*", "*adaptive_max_pool*", "*adaptive_avg_pool*"),
    families=(
        Family("ordinary RoIs", _ordinary),
        Family("small RoIs", _small_rois),
        Family("several images", _batch),
        Family("half-way corners", _half_way, weight=2),
        Family("gradient", _gradient, weight=3),
        Family("no RoI", _empty, hidden=True),
        Family("beyond the map", _beyond_the_map, hidden=True),
        Family("no area", _degenerate, hidden=True),
        Family("negative features", _negative, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random RoIs", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "corners rounded down",
            _loop(rounded=math.floor),
            "Round x * spatial_scale to the nearest cell; int(...) and floor cut the fraction off and shift the RoI.",
        ),
        Misconception(
            "halves rounded to even",
            _loop(rounded=round),
            "torch.round and Python's round send 0.5 to 0 and 1.5 to 2; "
            "the rule is away from zero: floor(x + 0.5) for x >= 0.",
        ),
        Misconception(
            "last cell left out",
            _loop(inclusive=(False, False)),
            "Both corner cells belong to the RoI, so its height is y2 - y1 + 1 cells.",
        ),
        Misconception(
            "last row left out",
            _loop(inclusive=(False, True)),
            "The height is y2 - y1 + 1 cells, just as the width is x2 - x1 + 1: the + 1 is missing in the height.",
        ),
        Misconception(
            "last column left out",
            _loop(inclusive=(True, False)),
            "The width is x2 - x1 + 1 cells, just as the height is y2 - y1 + 1: the + 1 is missing in the width.",
        ),
        Misconception(
            "bins that do not overlap",
            _loop(bins=_bins_without_overlap),
            "Bin i ends at ceil((i + 1) h / P), not at the floor: neighbours may share a cell, "
            "and a small RoI leaves no bin empty.",
        ),
        Misconception(
            "bins of one fixed size",
            _loop(bins=_bins_of_one_size),
            "h // P cells for every bin lose the last rows when P does not divide h; compute each bin's start and end.",
        ),
        Misconception(
            "average instead of maximum",
            _loop(reduce=lambda cells: cells.mean((1, 2))),
            "RoI pooling keeps the strongest response in a bin: take the maximum.",
        ),
        Misconception(
            "empty bins not zero",
            _loop(empty=-math.inf),
            "A bin without any cell of the map is 0: start from zeros, not from -inf.",
        ),
        Misconception(
            "bins beyond the map not cut off",
            _loop(bins=_bins_not_cut_off),
            "Cut each bin off at the map, max(start, 0) and min(end, H): in Python a negative start counts "
            "from the end. Skip a bin that has no cell left: it is 0.",
        ),
        Misconception(
            "spatial_scale forgotten",
            _loop(scaled=False),
            "RoIs are in image coordinates; multiply them by spatial_scale to get cells.",
        ),
        Misconception(
            "always the first image",
            _loop(image=lambda roi: 0),
            "Column 0 of rois is the number of the image in the batch: pool from features[int(roi[0])].",
        ),
        Misconception(
            "x and y swapped",
            _swapped_axes,
            "A RoI is (image, x1, y1, x2, y2): x runs along the last dimension of the map, y along the one before.",
        ),
        Misconception(
            "RoI clipped before the bins are made",
            _box_clipped_first,
            "Divide the whole RoI into bins, then clip each bin to the map; clipping the RoI first moves every bin.",
        ),
        Misconception(
            "gradient cut",
            _no_gradient,
            "detach, .data, .item() or numpy cut the graph: take the maximum of the feature values themselves.",
        ),
        Misconception(
            "zeros on the CPU",
            _on_the_cpu,
            "torch.zeros(...) lives on the CPU: make it with features.new_zeros(...) or device=features.device.",
        ),
    ),
    right_variants=(_loop(), _by_masks, _by_bags),
    hints=(
        "Start with one RoI, one image and no scale: two nested loops over the bins, "
        "features[0, :, top:bottom, left:right].amax((1, 2)).",
        "With h = y2 - y1 + 1 rows of cells and P bins, bin i covers rows y1 + floor(i h / P) up to, not including, "
        "y1 + ceil((i + 1) h / P). In integers: i * h // P and -(-(i + 1) * h // P).",
        "Clip each bin's ends to [0, H] and [0, W]; skip it when nothing is left (it stays 0). Round corners with "
        "floor(x + 0.5) when x >= 0, ceil(x - 0.5) otherwise, and give every RoI at least one cell.",
    ),
)
