"""The contact sheet and its command."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detseg.data.farm import CLASSES, __main__, farm_scene
from detseg.data.farm.sheet import CLASS_COLOURS, draw_targets


def test_every_class_has_its_own_colour() -> None:
    assert tuple(CLASS_COLOURS) == CLASSES[1:]
    assert len(set(CLASS_COLOURS.values())) == len(CLASS_COLOURS)


def test_targets_are_drawn_where_they_are() -> None:
    scene = farm_scene(0)
    plain = (scene.image * 0.45).astype(np.uint8)
    picture = draw_targets(scene)
    changed = (picture != plain).any(axis=2)
    assert changed[scene.class_mask > 0].mean() > 0.9
    far = np.ones((128, 128), bool)
    for x1, y1, x2, y2 in scene.boxes.astype(int):
        far[max(y1 - 2, 0) : y2 + 16, max(x1 - 2, 0) : max(x2, x1 + 50)] = (
            False  # a name may stick out of its box
        )
    assert not changed[far].any()


def test_the_command_writes_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["farm", str(tmp_path / "scenes.png"), "--seed", "7"])
    monkeypatch.setattr(__main__, "contact_sheet", lambda seed: Image.new("RGB", (20 + seed, 10)))
    __main__.main()
    with Image.open(tmp_path / "scenes.png") as picture:
        assert picture.size == (27, 10)


@pytest.mark.parametrize("arguments", [["no/such/folder/x.png"], ["x.docx"], ["x.png", "--seed", "-1"], []])
def test_the_command_refuses_bad_arguments(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["farm", *arguments])
    with pytest.raises(SystemExit):
        __main__.main()
