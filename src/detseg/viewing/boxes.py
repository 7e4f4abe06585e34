"""Boxes on scenes: detections beside the truth, and how often proposals cover a pixel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from detseg.boxes import check_boxes, clip_boxes
from detseg.tensors import check_tensors

from .picture import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Picture, new_figure, picture

CLASS_COLOURS = (BLACK, ORANGE, SKY, GREEN, PURPLE, RED, BLUE)
SOME = 20  # proposals are drawn, or they would hide the scene
Detections = tuple[Tensor, Tensor, Tensor]


def draw_boxes(
    axes: Axes,
    image: Tensor,
    boxes: Tensor,
    labels: Tensor | None = None,
    scores: Tensor | None = None,
    classes: Sequence[str] = (),
    linestyle: str = "-",
) -> None:
    """An image uint8 ``[3, H, W]`` with boxes ``[N, 4]``, each its class, score; colours by class.

    Raises:
        TypeError, ValueError: another image; see also :func:`detseg.boxes.check_boxes`; a label or score too many or
            too few, or a label without a name.
    """
    _check_image(image)
    check_boxes(boxes)
    for name, values in (("labels", labels), ("scores", scores)):
        if values is not None and values.shape != (len(boxes),):
            raise ValueError(f"{name} must be [{len(boxes)}], one for each box, got {list(values.shape)}")
    axes.imshow(image.cpu().permute(1, 2, 0).numpy())  # [H, W, 3]
    axes.set_axis_off()
    names = labels.tolist() if labels is not None else [0] * len(boxes)
    if classes and names and not 0 <= max(names) < len(classes):
        raise ValueError(
            f"label {max(names)} has no name: there are {len(classes)} classes, {', '.join(classes)}"
        )
    for index, ((x1, y1, x2, y2), name) in enumerate(zip(boxes.tolist(), names, strict=True)):
        colour = CLASS_COLOURS[name % len(CLASS_COLOURS)]
        # imshow puts the centre of pixel 0 at 0; boxes count from the pixel's edge
        corner, size = (x1 - 0.5, y1 - 0.5), (x2 - x1, y2 - y1)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=2.6))
        axes.add_patch(
            Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=1.5, linestyle=linestyle)
        )
        words = [classes[name]] if classes and name else []
        words += [f"{scores[index].item():.2f}"] if scores is not None else []
        if words:
            axes.text(
                max(x1, 0),
                max(y1 - 1, 3),
                " ".join(words),
                fontsize=6.5,
                color="white" if colour in (BLACK, BLUE) else BLACK,
                va="bottom",
                clip_on=True,
                bbox={"facecolor": colour, "pad": 1, "linewidth": 0},
            )


def show_scenes(
    images: Sequence[Tensor],
    found: Sequence[Detections],
    classes: Sequence[str],
    truth: Sequence[Mapping[str, Tensor]] | None = None,
    titles: Sequence[str] | None = None,
    min_score: float = 0.5,
    columns: int = 4,
) -> Picture:
    """Scenes with the detections that score at least ``min_score``; the true boxes thin and dashed in black.

    ``found`` holds ``(boxes, scores, labels)`` for each image, ``truth`` dicts with ``boxes`` and ``labels``.
    """
    if len(images) != len(found) or not images:
        raise ValueError(f"one set of detections for each image: got {len(images)} images, {len(found)} sets")
    for name, given in (("truth", truth), ("titles", titles)):
        if given is not None and len(given) != len(images):
            raise ValueError(f"{name} must have one entry for each of {len(images)} images, got {len(given)}")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    side = min(9.2 / columns, 3.6)  # inches
    figure = new_figure(side * columns, (side + (0.3 if titles else 0)) * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    words = []
    for axes in panels[len(images) :]:
        axes.set_axis_off()
    for index, (axes, image, (boxes, scores, labels)) in enumerate(zip(panels, images, found, strict=False)):
        keep = scores >= min_score
        draw_boxes(axes, image, boxes[keep].cpu(), labels[keep].cpu(), scores[keep], classes)
        if truth is not None:
            for x1, y1, x2, y2 in truth[index]["boxes"].tolist():
                frame = Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1)
                frame.set(fill=False, edgecolor=BLACK, linewidth=0.8, linestyle=":")
                axes.add_patch(frame)
        if titles is not None:
            axes.set_title(titles[index], fontsize=9)
        words.append(f"{titles[index] if titles else f'scene {index + 1}'}: {_count(labels[keep], classes)}")
        if truth is not None:
            words[-1] += f" (true: {_count(truth[index]['labels'], classes)})"
    return picture(figure, f"Scenes with boxes that score at least {min_score:g}. {'; '.join(words)}.")


def show_coverage(image: Tensor, proposals: Tensor) -> Picture:
    """A scene, and beside it how many proposals ``[N, 4]`` cover each of its pixels."""
    _check_image(image)
    check_boxes(proposals, "proposals")
    height, width = image.shape[1:]
    counts = torch.zeros(height, width, dtype=torch.long)
    for x1, y1, x2, y2 in clip_boxes(proposals, (height, width)).float().round().long().tolist():
        counts[y1:y2, x1:x2] += 1
    figure = new_figure(7.4, 3.2)
    left, right = figure.subplots(1, 2)
    draw_boxes(left, image, proposals[:SOME])
    left.set_title(f"the best {SOME} of {len(proposals)} proposals", fontsize=10)
    shown = right.imshow(counts.numpy(), cmap="cividis")
    row, column = divmod(int(counts.argmax()), width)
    right.annotate(
        f"{counts.max()} times", (column, row), (width * 0.06, height * 0.12), fontsize=9,
        arrowprops={"arrowstyle": "->", "color": "white"}, color="white",
    )  # fmt: skip
    right.set_axis_off()
    right.set_title("times each pixel is convolved", fontsize=10)
    figure.colorbar(shown, ax=right, shrink=0.85)
    return picture(
        figure,
        f"Left: a farm scene with the best {SOME} of its {len(proposals)} proposals. Right: how many proposals "
        f"cover each pixel: {counts.float().mean():.0f} on average and {counts.max()} at row {row}, column {column}.",
    )


def _check_image(image: Tensor) -> None:
    check_tensors(image=image)
    if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3:
        raise ValueError(
            f"image must be uint8 [3, H, W], got {image.dtype} {list(image.shape)}: take it before it is normalised"
        )


def _count(labels: Tensor, classes: Sequence[str]) -> str:
    counts = Counter(classes[label] for label in labels.tolist())
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
