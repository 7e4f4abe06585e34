import pytest
import torch

from detseg.training import threads


@pytest.fixture(autouse=True)
def _one_thread_afterwards():
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("cost", "best"),
    [({1: 1.0, 2: 0.55, 4: 0.3}, 4), ({1: 1.0, 2: 3.0, 4: 9.0}, 1), ({1: 1.0, 2: 0.9, 4: 0.5}, 1)],
)
def test_the_quickest_number_is_kept(monkeypatch, cost, best):
    torch.set_num_threads(4)
    monkeypatch.setattr(threads, "_step", lambda: cost[torch.get_num_threads()])
    assert threads.quickest_threads() == best == torch.get_num_threads()


def test_no_more_than_torch_has_or_is_allowed(monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "_step", lambda: 1 / torch.get_num_threads())
    assert threads.quickest_threads() == 2
    assert threads.quickest_threads(at_most=1) == 1


def test_it_really_runs():
    assert threads.quickest_threads(at_most=2, repeats=1) in (1, 2)
