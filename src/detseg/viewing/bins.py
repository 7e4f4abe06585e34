"""Feature maps with their numbers, and the bins that pooling lays over them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from detseg.boxes import check_boxes
from detseg.layers.roi_pool import bin_edges, round_half_away
from detseg.layers.rois import grid_size
from detseg.tensors import check_tensors

from .picture import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, YELLOW, Picture, new_figure, picture

BIN_COLOURS = (ORANGE, SKY, GREEN, PURPLE, YELLOW, BLUE, RED)
CELL_INCHES = 0.42


def bin_ranges(first: int, last: int, bins: int, limit: int) -> list[tuple[int, int]]:
    """First and one-past-last cell of each bin over the cells first..last, cut to a map of ``limit`` cells."""
    starts, ends = bin_edges(torch.tensor([first]), torch.tensor([last]), bins, limit)
    return list(zip(starts[0].tolist(), ends[0].tolist(), strict=True))


def draw_numbers(axes: Axes, values: Tensor, decimals: int | None = None, size: float = 9) -> None:
    """A map ``[H, W]`` as cells with their values, darker for larger; row and column numbers at the edges."""
    height, width = values.shape
    axes.imshow(
        values.numpy(), cmap="Greys", alpha=0.2, extent=(0, width, height, 0), interpolation="nearest"
    )
    whole = bool((values == values.round()).all())
    places = (0 if whole else 1) if decimals is None else decimals
    for row in range(height):
        for column in range(width):
            text = f"{values[row, column].item():.{places}f}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size)
    axes.set_xticks([column + 0.5 for column in range(width)], [str(column) for column in range(width)])
    axes.set_yticks([row + 0.5 for row in range(height)], [str(row) for row in range(height)])
    axes.tick_params(length=0, labelsize=8, labelcolor=GREY)
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set_color(GREY)


def _draw_bins(axes: Axes, rows: list[tuple[int, int]], columns: list[tuple[int, int]]) -> None:
    """Each bin as a frame with its own inset, so that frames which share cells stay apart."""
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            if bottom <= top or right <= left:
                continue
            inset = 0.06 + 0.07 * ((i + j) % 2)
            corner, size = (left + inset, top + inset), (right - left - 2 * inset, bottom - top - 2 * inset)
            colour = BIN_COLOURS[(i * len(columns) + j) % len(BIN_COLOURS)]
            axes.add_patch(Rectangle(corner, *size, facecolor=colour, alpha=0.2))
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2.2))


def _pooled(values: Tensor, rows: list[tuple[int, int]], columns: list[tuple[int, int]]) -> Tensor:
    pooled = torch.zeros(len(rows), len(columns))
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            if bottom > top and right > left:
                pooled[i, j] = values[top:bottom, left:right].max()
    return pooled


def _in_words(pooled: Tensor) -> str:
    return "; ".join(" ".join(f"{value:g}" for value in row) for row in pooled.tolist())


def _draw_result(axes: Axes, pooled: Tensor, title: str) -> None:
    draw_numbers(axes, pooled)
    rows, columns = pooled.shape
    for i in range(rows):
        for j in range(columns):
            colour = BIN_COLOURS[(i * columns + j) % len(BIN_COLOURS)]
            axes.add_patch(
                Rectangle((j + 0.08, i + 0.08), 0.84, 0.84, fill=False, edgecolor=colour, linewidth=2.2)
            )
    axes.set_title(title, fontsize=10)


def show_roi_bins(
    features: Tensor,
    roi: Sequence[float],
    output_size: tuple[int, int] = (2, 3),
    spatial_scale: float = 1 / 8,
    margin: int = 0,
) -> Picture:
    """One RoI on a feature map ``[H, W]``: the box as given, its rounded cells, its bins and their maxima.

    ``roi`` is ``(x1, y1, x2, y2)`` in image coordinates; ``margin`` cells around the map are shown as well.

    Raises:
        ValueError: features that are no map, a RoI that is not four finite numbers, an empty grid.
    """
    features = _map(features)
    check_boxes(torch.tensor([list(roi)], dtype=torch.float64), "roi")
    output_size = grid_size(output_size)
    height, width = features.shape
    x1, y1, x2, y2 = round_half_away(torch.tensor(roi, dtype=torch.float64) * spatial_scale).tolist()
    rows = bin_ranges(y1, y2, output_size[0], height)
    columns = bin_ranges(x1, x2, output_size[1], width)
    pooled = _pooled(features, rows, columns)

    shown_high, shown_wide = height + 2 * margin, width + 2 * margin
    figure = new_figure(CELL_INCHES * (shown_wide + output_size[1]) + 2.4, CELL_INCHES * shown_high + 1.1)
    left, right = figure.subplots(1, 2, width_ratios=[shown_wide, output_size[1] + 1])
    draw_numbers(left, features)
    left.set(xlim=(-margin, width + margin), ylim=(height + margin, -margin))
    _draw_bins(left, rows, columns)
    if margin:
        left.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor=BLACK, linewidth=1.2))
        whole = Rectangle((x1, y1), max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1))
        whole.set(fill=False, edgecolor=GREY, linestyle=":", linewidth=1.4)
        left.add_patch(whole)
    scaled = [value * spatial_scale for value in roi]
    box = Rectangle((scaled[0], scaled[1]), scaled[2] - scaled[0], scaled[3] - scaled[1])
    box.set(fill=False, edgecolor=BLACK, linestyle=(0, (4, 2)), linewidth=1.4, zorder=1.5)
    left.add_patch(box)
    left.set_title(
        f"RoI x {spatial_scale:g} (dashed) -> rows {y1} to {y2}, columns {x1} to {x2}", fontsize=10
    )
    _draw_result(right, pooled, f"{output_size[0]} x {output_size[1]} maxima")
    return picture(
        figure,
        f"A {height} x {width} feature map with its numbers. The RoI ({', '.join(f'{v:g}' for v in roi)}), "
        f"times {spatial_scale:g}, is dashed; after rounding it covers rows {y1} to {y2} and columns {x1} to "
        f"{x2}. Cells of each bin, cut to the map: rows {_spans(rows)}; columns {_spans(columns)}. "
        f"The maxima by row: {_in_words(pooled)}.",
    )


def _spans(bins: list[tuple[int, int]]) -> str:
    """Bins as a reader says them: ``2 to 3, 3 to 4, none``."""
    return ", ".join(f"{low} to {high - 1}" if high > low else "none" for low, high in bins)


def show_pyramid(features: Tensor, levels: Sequence[int]) -> Picture:
    """The grids of a spatial pyramid on one map ``[H, W]``: a panel for each level, with its maxima."""
    features = _map(features)
    if len(levels) == 0 or min(levels) < 1:
        raise ValueError(f"levels must be bins a side, each at least 1, got {list(levels)}")
    height, width = features.shape
    grids = [
        (bin_ranges(0, height - 1, level, height), bin_ranges(0, width - 1, level, width)) for level in levels
    ]
    figure = new_figure(len(levels) * (CELL_INCHES * width + 0.7), CELL_INCHES * height + 1.1)
    words = []
    for axes, level, (rows, columns) in zip(
        figure.subplots(1, len(levels), squeeze=False)[0], levels, grids, strict=True
    ):
        pooled = _pooled(features, rows, columns)
        draw_numbers(axes, features)
        _draw_bins(axes, rows, columns)
        maxima = ", ".join(f"{value:g}" for value in pooled.flatten().tolist())
        axes.set_title(f"level {level}: {level * level} bin{'s' * (level > 1)}", fontsize=10)
        axes.set_xlabel(f"maxima {maxima}", fontsize=10)
        words.append(
            f"level {level} has bins of rows {_spans(rows)} by columns {_spans(columns)}, with maxima {maxima}"
        )
    return picture(
        figure, f"A {height} x {width} feature map with its numbers, once for each level: {'; '.join(words)}."
    )


def show_cells(
    values: Tensor, marked: Tensor, rows: Sequence[str], columns: Sequence[str], title: str, decimals: int = 1
) -> Picture:
    """A table of numbers ``[rows, columns]`` in which the cells of the bool mask ``marked`` are framed."""
    if values.shape != marked.shape or values.ndim != 2:
        raise ValueError(
            f"values and marked must have one shape [rows, columns]; got {values.shape}, {marked.shape}"
        )
    if [len(rows), len(columns)] != list(values.shape):
        raise ValueError(
            f"{list(values.shape)} values need as many names, got {len(rows)} and {len(columns)}"
        )
    height, width = values.shape
    figure = new_figure(0.62 * width + 2.0, 0.42 * height + 0.9)
    axes = figure.subplots()
    draw_numbers(axes, values.detach().cpu().float(), decimals)
    axes.set_aspect("auto")
    axes.set_xticklabels(columns, fontsize=9, color=BLACK)
    axes.set_yticklabels(rows, fontsize=9, color=BLACK)
    axes.xaxis.tick_top()
    axes.set_title(title, fontsize=10)
    for row, column in marked.nonzero().tolist():
        frame = Rectangle((column + 0.06, row + 0.08), 0.88, 0.84, facecolor=ORANGE, alpha=0.3)
        axes.add_patch(frame)
        axes.add_patch(
            Rectangle((column + 0.06, row + 0.08), 0.88, 0.84, fill=False, edgecolor=RED, linewidth=2)
        )
    chosen = ", ".join(
        f"{rows[r]} / {columns[c]} = {values[r, c].item():.{decimals}f}" for r, c in marked.nonzero().tolist()
    )
    return picture(
        figure, f"{title}. A table of {height} rows and {width} columns; framed: {chosen or 'nothing'}."
    )


def _map(features: Tensor) -> Tensor:
    """The map on the CPU, as float32; or an error that says what is wrong with it."""
    check_tensors(features=features)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"features must be one map [H, W] with at least one cell; got shape {tuple(features.shape)}"
        )
    return features.detach().cpu().float()
