from typing import Any

import pytest
import torch

from detseg import viewing
from detseg.viewing import curves, widgets


@pytest.fixture
def features() -> torch.Tensor:
    return torch.arange(35.0).view(5, 7)


def test_moving_a_corner_redraws_the_bins(features: torch.Tensor) -> None:
    explorer = viewing.explore_roi_bins(features)
    before = explorer.picture
    explorer.controls["x"].value = (0, 24)
    assert explorer.picture.png != before.png
    assert "columns 0 to 3" in explorer.picture.alt
    assert explorer.picture.html() in explorer.screen.value
    explorer.controls["rows"].value = 1
    assert explorer.picture.alt.count(";") < before.alt.count(";")


def test_every_position_of_the_sliders_can_be_drawn(features: torch.Tensor) -> None:
    explorer = viewing.explore_roi_bins(features)
    for name in ("x", "y"):
        control = explorer.controls[name]
        for value in ((control.min, control.min), (control.max, control.max), (control.min, control.max)):
            control.value = value
            assert "maxima" in explorer.picture.alt


def test_the_loss_slider_tells_values_and_slopes() -> None:
    explorer = viewing.explore_losses()
    explorer.controls["difference"].value = 4.0
    explorer.controls["beta"].value = 0.5
    assert "L2 loss is 8.00 with slope +4.00" in explorer.picture.alt
    assert "smooth L1 with beta 0.5 is 3.75 with slope +1.00" in explorer.picture.alt


def test_a_still_picture_comes_along_and_hides_where_widgets_run(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(widgets, "display", lambda data, **options: shown.append(data))
    explorer = viewing.explore_losses()
    still = explorer.picture
    explorer.controls["beta"].value = 0.5
    explorer._ipython_display_()
    live, plain = shown
    assert live is explorer.box
    assert plain["text/plain"] == still.alt
    assert f'<div id="{explorer.still_id}">' in plain["text/html"]
    assert f"#{explorer.still_id} {{display: none}}" in explorer.screen.value


def test_a_live_curve_keeps_one_display_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str]] = []

    class Handle:
        def update(self, picture: viewing.Picture) -> None:
            shown.append(("update", picture.alt))

    def display(picture: viewing.Picture, display_id: bool) -> Handle:
        shown.append(("display", picture.alt))
        return Handle()

    monkeypatch.setattr(curves, "display", display)
    curve = viewing.LiveCurve(every=0.0)
    for step in range(1, 4):
        curve(step, {"class": 2.0 / step, "box": 0.1})
    assert [kind for kind, _ in shown] == ["display", "update", "update"]
    assert curve.history == {"class": [2.0, 1.0, 2.0 / 3], "box": [0.1] * 3}

    slow = viewing.LiveCurve(every=60.0)
    slow(1, {"class": 1.0})
    assert len(shown) == 3
    slow.draw()
    assert shown[-1][0] == "display"
