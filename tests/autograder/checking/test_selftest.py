"""The mutation test of the checks: the whole bank of misconceptions and right variants."""

import dataclasses

import pytest

from autograder.checking.selftest import run_selftest
from autograder.exercises import Misconception, load, names


@pytest.mark.parametrize("name", names())
def test_misconceptions_rejected_and_right_ones_accepted(name):
    results = list(run_selftest([name]))
    assert [result for result in results if result.problem] == []
    assert sum(result.kind == "misconception" for result in results) >= 6
    assert sum(result.kind == "right" for result in results) >= 2


def test_another_seed_agrees():
    assert [result for name in names() for result in run_selftest([name], seed=11) if result.problem] == []


def test_selftest_reports_a_check_that_lets_a_wrong_one_through(monkeypatch):
    exercise = load("roi_pool")
    harmless = Misconception("harmless", exercise.right_variants[0], "")
    broken = dataclasses.replace(
        exercise, misconceptions=(harmless,), right_variants=(exercise.misconceptions[0].function,)
    )
    monkeypatch.setattr("autograder.checking.selftest.load", lambda name: broken)
    problems = {
        result.implementation: result.problem for result in run_selftest(["roi_pool"]) if result.problem
    }
    assert problems["harmless"] == "a wrong implementation passes"
    assert len(problems) == 2


@pytest.mark.parametrize("name", names())
def test_exercise_is_complete(name):
    exercise = load(name)
    assert exercise.name == name
    assert exercise.oracle.__name__ == name
    assert 2 <= len(exercise.hints) <= 3
    assert 1 <= exercise.difficulty <= 5
    assert any(family.hidden for family in exercise.families)
    assert not exercise.families[0].hidden
    assert all(known.advice.endswith(".") for known in exercise.misconceptions)
    assert len({known.name for known in exercise.misconceptions}) == len(exercise.misconceptions)
