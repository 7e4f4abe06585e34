"""The border check names the picture, the entry at fault and the fix."""

import pytest
import torch

from detseg.data.targets import check_target

SIZE = (20, 30)  # height, width


def good() -> dict:
    return {
        "boxes": torch.tensor([[0.0, 0.0, 30.0, 20.0], [3.5, 2.0, 9.0, 19.0]]),
        "labels": torch.tensor([1, 5]),
        "class_mask": torch.tensor([0, 1, 5, 255], dtype=torch.uint8).repeat(150).reshape(20, 30),
        "instance_masks": torch.zeros(2, 20, 30, dtype=torch.bool),
    }


def test_good_targets_pass() -> None:
    check_target(good(), SIZE, "scene 7", num_classes=6)
    check_target({"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}, SIZE, "empty")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"boxes": None}, TypeError, "boxes must be a tensor"),
        (
            {"boxes": torch.zeros(0)},
            ValueError,
            r"not \[0\]; a picture without objects has boxes of shape \[0, 4\]",
        ),
        ({"boxes": torch.zeros(2, 5)}, ValueError, r"shape \[N, 4\], not \[2, 5\]"),
        ({"boxes": good()["boxes"].double()}, TypeError, r"torch.float32, not torch.float64; convert"),
        (
            {"boxes": torch.tensor([[0.0, 0, 5, 5], [float("nan"), 0, 5, 5]])},
            ValueError,
            r"boxes\[1\].*not finite",
        ),
        (
            {"boxes": torch.tensor([[0.0, 0, 5, 5], [0, 0, float("inf"), 5]])},
            ValueError,
            r"boxes\[1\].*not finite",
        ),
        ({"boxes": torch.tensor([[5.0, 0, 5, 5], [0, 0, 5, 5]])}, ValueError, r"boxes\[0\].*no area"),
        ({"boxes": torch.tensor([[0.0, 6, 5, 5], [0, 0, 5, 5]])}, ValueError, r"boxes\[0\].*no area"),
        ({"boxes": torch.tensor([[-1.0, 0, 5, 5], [0, 0, 5, 5]])}, ValueError, r"boxes\[0\].*leaves.*clip"),
        ({"boxes": torch.tensor([[0.0, 0, 20, 21], [0, 0, 5, 5]])}, ValueError, "height 20 and width 30"),
        ({"labels": torch.tensor([1])}, ValueError, r"labels must have shape \[2\]"),
        ({"labels": torch.tensor([1, 2], dtype=torch.int32)}, TypeError, "labels must be torch.int64"),
        ({"labels": torch.tensor([0, 2])}, ValueError, r"labels\[0\] is 0; labels are 1 to 5"),
        ({"labels": torch.tensor([1, 6])}, ValueError, r"labels\[1\] is 6"),
        (
            {"class_mask": torch.zeros(30, 20, dtype=torch.uint8)},
            ValueError,
            r"size \[20, 30\], not \[30, 20\]",
        ),
        ({"class_mask": torch.full((20, 30), 6, dtype=torch.uint8)}, ValueError, "255"),
        ({"instance_masks": torch.zeros(1, 20, 30, dtype=torch.bool)}, ValueError, r"\[2, 20, 30\]"),
        ({"instance_masks": torch.zeros(2, 20, 30)}, TypeError, "torch.bool"),
    ],
)
def test_bad_targets_are_named(change: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        check_target({**good(), **change}, SIZE, "scene 7", num_classes=6)
    assert str(caught.value).startswith("scene 7: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["boxes", "labels"])
def test_a_missing_entry_is_named(key: str) -> None:
    target = good()
    del target[key]
    with pytest.raises(ValueError, match=f"scene 7: the target has no '{key}'"):
        check_target(target, SIZE, "scene 7")
