"""The tensors in a value; whether an argument is still what it was."""

import pytest
import torch

from autograder.checking.tensors import tensors_in, unchanged

NAN = float("nan")


def test_tensors_are_found_in_order_wherever_they_are():
    a, b, c, d = (torch.full((n,), float(n)) for n in range(4))
    found = list(tensors_in((a, [b, "text", 3.0], {"scores": c, "more": (d, None)})))
    assert [id(tensor) for tensor in found] == [id(a), id(b), id(c), id(d)]
    assert list(tensors_in(None)) == []


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([[1.0, NAN, -0.0]]),
        torch.zeros(0, 4),
        torch.tensor([True, False]),
        torch.tensor([3, 5]),
        [torch.ones(2, 3), torch.zeros(0)],
        7,
        None,
    ],
)
def test_what_was_left_alone_is_unchanged(value):
    copy = [item.clone() for item in value] if isinstance(value, list) else value
    assert unchanged(value, copy.clone() if isinstance(copy, torch.Tensor) else copy)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, 0.0])),  # NaNs filled in place
        (torch.tensor([1.0, 0.0]), torch.tensor([1.0, NAN])),
        (torch.ones(2, 3), torch.ones(3, 2)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.ones(0, 4), torch.ones(0, 5)),
        ([torch.ones(2), torch.ones(3)], [torch.ones(2)]),
        ([torch.ones(2)], [None]),
        ([torch.ones(2)], [torch.zeros(2)]),
    ],
)
def test_every_change_is_seen(before, after):
    assert not unchanged(before, after)
