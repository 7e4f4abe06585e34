import pytest
import torch
from torch import nn

from detseg.ladder.stopwatch import Stopwatch


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_inner_parts_are_not_counted_twice():
    clock = Clock()
    watch = Stopwatch(clock)
    with watch.part("region"):
        clock.now += 1
        with watch.part("shared"):
            clock.now += 10
        clock.now += 2
    clock.now += 100
    with watch.part("region"):
        clock.now += 4
    assert dict(watch.seconds) == {"region": 7, "shared": 10}


def test_an_exception_ends_its_part():
    clock = Clock()
    watch = Stopwatch(clock)
    with pytest.raises(ValueError, match="inside"), watch.part("region"):  # noqa: PT012
        clock.now += 3
        raise ValueError("inside")
    clock.now += 50
    with watch.part("shared"):
        clock.now += 1
    assert dict(watch.seconds) == {"region": 3, "shared": 1}


def test_modules_and_methods_are_watched_and_still_work():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(3, 2)

        def propose(self, x):
            return x + 1

        def forward(self, x):
            return self.body(self.propose(x))

    watch, model = Stopwatch(), Model()
    x = torch.ones(4, 3)
    expected = model(x)
    watch.watch(model.body, "shared")
    watch.watch_method(model, "propose", "proposals")
    with watch.part("region"):
        torch.testing.assert_close(model(x), expected)
    assert set(watch.seconds) == {"shared", "proposals", "region"}
    assert all(seconds > 0 for seconds in watch.seconds.values())
