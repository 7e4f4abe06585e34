import pytest

from detseg.training.budget import Budget


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_without_a_limit_the_steps_alone_count():
    clock = Clock()
    budget = Budget(steps=10, clock=clock)
    clock.now += 1e6
    assert [budget.progress(step) for step in (0, 5, 10)] == [0.0, 0.5, 1.0]
    assert not budget.over


def test_rate_rises_in_a_line_and_falls_to_zero():
    budget = Budget(steps=100, warmup=10)
    rates = [budget.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[4] == pytest.approx(0.5, rel=0.01)
    assert max(rates) == rates[9]
    assert rates[50] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-3
    assert Budget(steps=100).rate(0) == 1.0


def test_a_fast_machine_follows_the_steps_whatever_its_speed():
    rates = []
    for seconds_a_step in (0.1, 0.9):
        clock = Clock()
        budget = Budget(steps=100, seconds=100, clock=clock)
        rates.append([])
        for step in range(100):
            rates[-1].append(budget.rate(step))
            clock.now += seconds_a_step
        assert not budget.over
    assert rates[0] == rates[1]


def test_a_slow_machine_does_fewer_steps_and_still_ends_at_zero():
    clock = Clock()
    budget = Budget(steps=100, seconds=50, warmup=5, clock=clock)
    step = 0
    while not budget.over:
        rate = budget.rate(step)
        clock.now += 2
        step += 1
    assert step == 25
    assert rate < 0.01


def test_a_slow_first_step_is_forgiven():
    clock = Clock()
    budget = Budget(steps=100, seconds=100, clock=clock)
    clock.now += 9  # the first step took as long as nine
    assert budget.progress(1) == 0.01
    clock.now += 2
    assert budget.progress(1) == pytest.approx(0.11)


def test_a_resumed_run_has_spent_its_earlier_seconds():
    clock = Clock()
    budget = Budget(steps=100, seconds=10, spent=9, clock=clock)
    assert budget.spent == pytest.approx(9)
    clock.now += 1
    assert budget.over


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="None means no limit"):
        Budget(steps=10, seconds=0)
