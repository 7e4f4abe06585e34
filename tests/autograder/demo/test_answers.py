"""The sample class's answers as text: they do what the implementations they were taken from do."""

import inspect

import pytest
import torch
import torch.nn.functional as F

from autograder.checking import check
from autograder.demo.answers import answer
from autograder.exercises import load, names

LAB = "05_fast_rcnn"
EXERCISES = [name for name in names() if load(name).lab == LAB]


def function(exercise, which):
    """The answer as a learner's function: only torch is at hand, and no answer of the lab."""
    definitions, expression = answer(exercise, which)
    assert not any(f"import {name}" in definitions for name in EXERCISES)
    space = {"torch": torch, "F": F}
    exec(f"{definitions}\n\n{exercise} = {expression}", space)
    return space[exercise]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_right_one_gets_all_points(exercise):
    outcome = check(function(exercise, "right_variants[0]"), exercise, hidden=True, seed=3)
    assert outcome.points == outcome.possible


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_misconception_is_named(exercise):
    for number, misconception in enumerate(load(exercise).misconceptions[:4]):
        outcome = check(function(exercise, f"misconceptions[{number}]"), exercise, hidden=True, seed=3)
        assert outcome.misconception == misconception.name


def test_a_default_that_a_nested_answer_relies_on_is_kept():
    definitions, _ = answer("fast_rcnn_loss", "right_variants[0]")
    assert "def smooth_l1(pred, target, beta=1.0):" in definitions
    assert "beta" in inspect.signature(load("smooth_l1").oracle).parameters
