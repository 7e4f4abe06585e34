import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from detseg import viewing
from detseg.layers import roi_pool

CLASSES = ("background", "cow", "sheep", "dog", "horse", "person")


def scene(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, (3, 48, 64), generator=generator, dtype=torch.uint8)


def make_all() -> dict[str, viewing.Picture]:
    generator = torch.Generator().manual_seed(0)
    image, features = scene(generator), torch.randn(5, 7, generator=generator)
    boxes, labels = torch.tensor([[4.0, 6, 30, 40], [20, 3, 60, 44]]), torch.tensor([1, 5])
    found = (boxes, torch.tensor([0.9, 0.6]), labels)
    nothing = (boxes[:0], torch.zeros(0), labels[:0])
    truth = [{"boxes": boxes, "labels": labels}, {"boxes": boxes[:0], "labels": labels[:0]}]
    cells = torch.arange(6.0).view(2, 3)
    return {
        "roi bins": viewing.show_roi_bins(features, (9, 14, 46, 33)),
        "roi beyond the map": viewing.show_roi_bins(features, (-90, -80, -60, -50), (3, 2), margin=2),
        "pyramid": viewing.show_pyramid(features, (1, 2, 3)),
        "cells": viewing.show_cells(cells, cells > 3, ["a", "b"], ["x", "y", "z"], "Some numbers"),
        "no cell marked": viewing.show_cells(cells, cells > 9, ["a", "b"], ["x", "y", "z"], "Some numbers"),
        "losses": viewing.show_losses(0.5, -2),
        "pipelines": viewing.show_pipelines(300),
        "training": viewing.show_training({"class": [1.8, 1.0, 0.7], "box": [0.1, 0.3, 0.2]}),
        "no training yet": viewing.show_training({}),
        "scenes": viewing.show_scenes([image, image], [found, nothing], CLASSES, truth, ["before", "after"]),
        "coverage": viewing.show_coverage(image, boxes),
    }


@pytest.mark.parametrize(("name", "picture"), make_all().items())
def test_every_picture_is_drawn_and_described(name: str, picture: viewing.Picture) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"))
    assert pixels.std() > 5, f"{name} looks empty"
    assert len(picture.alt) > 40
    assert "\n" not in picture.alt
    data, metadata = picture._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == picture.alt
    assert re.fullmatch(
        r'<img src="data:image/png;base64,[^"]+" alt="[^"]+" style="[^"]+">', data["text/html"]
    )


def test_a_picture_needs_words() -> None:
    with pytest.raises(ValueError, match="alt is empty"):
        viewing.picture(viewing.new_figure(1, 1), "  ")


@pytest.mark.parametrize("roi", [(9, 14, 46, 33), (20, 4, 20, 4), (-20, 8, 90, 60), (52, 36, 40, 4)])
@pytest.mark.parametrize("size", [(2, 3), (5, 1)])
def test_the_drawn_maxima_are_those_of_roi_pool(roi: tuple[float, ...], size: tuple[int, int]) -> None:
    features = torch.randint(1, 60, (5, 7), generator=torch.Generator().manual_seed(1)).float()
    expected = roi_pool(features[None, None], torch.tensor([[0, *roi]]), size, 1 / 8)[0, 0]
    words = "; ".join(" ".join(f"{value:g}" for value in row) for row in expected.tolist())
    assert f"The maxima by row: {words}." in viewing.show_roi_bins(features, roi, size, 1 / 8).alt


def test_coverage_counts_overlapping_proposals() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [8, 6, 20, 20], [9, 7, 30, 9]])
    picture = viewing.show_coverage(torch.zeros(3, 24, 32, dtype=torch.uint8), boxes)
    assert "3 at row 7, column 9" in picture.alt


def test_a_training_curve_starts_at_the_first_loss() -> None:
    picture = viewing.show_training({"class": [1.8, 1.0, 0.2]}, smooth=2)
    assert "the class loss goes from 1.80 to 0.60" in picture.alt


def test_only_confident_detections_are_shown_and_counted() -> None:
    boxes = torch.tensor([[4.0, 6, 30, 40], [20, 3, 60, 44], [1, 1, 9, 20]])
    found = (boxes, torch.tensor([0.9, 0.7, 0.4]), torch.tensor([2, 2, 4]))
    picture = viewing.show_scenes([torch.zeros(3, 48, 64, dtype=torch.uint8)], [found], CLASSES)
    assert "2 sheep" in picture.alt
    assert "horse" not in picture.alt


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"one map \[H, W\]"):
        viewing.show_roi_bins(torch.zeros(1, 5, 7), (0, 0, 8, 8))
    with pytest.raises(ValueError, match="beta must be above 0"):
        viewing.show_losses(0.0)
    with pytest.raises(ValueError, match="1 images, 0 sets"):
        viewing.show_scenes([torch.zeros(3, 8, 9, dtype=torch.uint8)], [], CLASSES)
    with pytest.raises(ValueError, match="one shape"):
        viewing.show_cells(torch.zeros(2, 3), torch.zeros(3, 2, dtype=torch.bool), ["a", "b"], ["x"] * 3, "t")


def test_a_table_can_be_read_row_by_row() -> None:
    table = viewing.table("Paper & you", ("", "paper", "you"), [("mAP", "66.9 %", "<b>")])
    assert '<th scope="row" style="text-align:left">mAP</th>' in table._repr_html_()
    assert "&lt;b&gt;" in table._repr_html_()
    assert repr(table).splitlines()[0] == "Paper & you"
    with pytest.raises(ValueError, match="1 cells, the header 2"):
        viewing.table("t", ("a", "b"), [("1",)])
