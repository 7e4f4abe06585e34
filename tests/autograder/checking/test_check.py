"""`check` as a learner and a grader meet it, on exercise 31."""

import json
import math
import re
import subprocess
import sys
import time

import pytest
import torch

from autograder import Outcome, check, verified
from autograder.checking.outcome import MIME
from autograder.exercises import load
from detseg.layers import roi_pool as reference

EXERCISE = load("roi_pool")
RIGHT = EXERCISE.right_variants[0]


def test_right_function_is_correct_with_all_points():
    outcome = check(RIGHT)
    assert (outcome.status, outcome.points, outcome.possible) == ("correct", 10, 10)
    outcome = check(RIGHT, hidden=True, seed=7)
    assert (outcome.status, outcome.points, outcome.seed) == ("correct", 10, 7)


def test_stub_is_not_attempted():
    def roi_pool(features, rois, output_size, spatial_scale):
        raise NotImplementedError("write me")

    outcome = check(roi_pool)
    assert (outcome.status, outcome.points) == ("not_attempted", 0)
    assert EXERCISE.task in outcome.message


def test_message_quotes_values_place_box_mistake_and_advice():
    known = next(known for known in EXERCISE.misconceptions if known.name == "corners rounded down")
    outcome = check(known.function, "roi_pool")
    assert (outcome.status, outcome.misconception) == ("incorrect", "corners rounded down")
    for part in ("yours is", "expected", "RoI 1, channel", "box (2.2, 1.4, 6.7, 6.3)", known.advice):
        assert part in outcome.message
    assert "check(roi_pool, seed=0)" in str(outcome)


def test_two_mistakes_at_once_are_told_from_one():
    functions = {known.name: known.function for known in EXERCISE.misconceptions}
    rounded_down, averaged = functions["corners rounded down"], functions["average instead of maximum"]

    def roi_pool(features, rois, output_size, spatial_scale):
        wrong = rounded_down if len(rois) == 2 and spatial_scale == 1 else averaged
        return wrong(features, rois, output_size, spatial_scale)

    one, two = check(averaged, "roi_pool"), check(roi_pool)
    assert (one.misconception, two.misconception) == ("average instead of maximum", "corners rounded down")
    assert "It behaves like" in one.message
    assert "A second mistake shows in other cases" in two.message


def test_quoted_values_are_the_real_ones():
    def roi_pool(features, rois, output_size, spatial_scale):
        pooled = RIGHT(features, rois, output_size, spatial_scale)
        if len(pooled) == 2:
            pooled[1, 0, 1, 2] += 100
        return pooled

    case = next(iter(EXERCISE.families[0].make(torch.Generator().manual_seed(0))))
    message = check(roi_pool).message
    assert f"With {case.note}" in message
    assert "RoI 1, channel 0, bin row 1, bin column 2" in message
    assert "(1 of 24 values differ)" in message
    mine, expected = (float(x) for x in re.search(r"yours is (\S+), expected (\S+) ", message).groups())
    assert mine == pytest.approx(expected + 100, abs=0.01)


def test_points_follow_the_families_passed():
    half_away = next(known for known in EXERCISE.misconceptions if known.name == "halves rounded to even")
    outcome = check(half_away.function, "roi_pool")
    failed = [family.name for family in outcome.families if not family.passed]
    assert failed == ["half-way corners"]
    assert len(outcome.families) == 6
    assert (
        outcome.points == 7.5
    )  # half-way corners carry 2 of the visible 9 parts: 10 x 7 / 9, in half points


def test_nothing_counts_while_ordinary_inputs_fail():
    def roi_pool(features, rois, output_size, spatial_scale):
        size = (output_size, output_size) if isinstance(output_size, int) else output_size
        return features.new_zeros(len(rois), features.shape[1], *size)

    outcome = check(roi_pool, hidden=True, seed=1)
    assert outcome.points == 0
    assert any(family.passed for family in outcome.families)


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (lambda *_: 1 / 0, "crashed", "ZeroDivisionError"),
        (lambda *_: sys.exit(3), "crashed", "SystemExit"),
        (lambda *_: None, "incorrect", "did you forget `return`"),
        (lambda *_: [1, 2], "incorrect", "must be a tensor"),
        (lambda features, *_: features, "incorrect", "has shape"),
    ],
)
def test_bad_results_become_outcomes(body, status, part):
    outcome = check(lambda features, rois, output_size, spatial_scale: body(features, rois), "roi_pool")
    assert outcome.status == status
    assert part in outcome.message


def test_dtype_is_checked_before_values():
    def roi_pool(features, rois, output_size, spatial_scale):
        return RIGHT(features, rois, output_size, spatial_scale).double()

    assert "has dtype float64; expected float32" in check(roi_pool).message


def test_a_wrong_dtype_is_not_taken_for_a_wrong_value():
    def roi_pool(features, rois, output_size, spatial_scale):
        return RIGHT(features, rois, output_size, spatial_scale).float()

    outcome = check(roi_pool, hidden=True, seed=1)
    assert outcome.misconception is None
    assert "has dtype float32; expected float64. Make new tensors with the input's dtype." in outcome.message


def test_another_exercise_that_is_not_written_is_named():
    def smooth_l1(pred, target, beta=1.0):
        raise NotImplementedError("write me")

    def fast_rcnn_loss(class_logits, deltas, labels, target_deltas, beta=1.0):
        return class_logits.sum(), smooth_l1(deltas, deltas).sum()

    outcome = check(fast_rcnn_loss)
    assert outcome.status == "crashed"
    assert "calls smooth_l1, which is not written yet" in outcome.message


def test_changed_input_is_noticed():
    def roi_pool(features, rois, output_size, spatial_scale):
        pooled = RIGHT(features, rois, output_size, spatial_scale)
        rois[:, 1:] *= spatial_scale + 1
        return pooled

    assert "rois was changed in place" in check(roi_pool).message


def test_endless_loop_is_stopped(monkeypatch):
    monkeypatch.setattr("autograder.checking.examine.SECONDS", 0.3)

    def roi_pool(features, rois, output_size, spatial_scale):
        while True:
            time.sleep(0.01)

    outcome = check(roi_pool)
    assert outcome.status == "timed_out"
    assert "within 0.3 seconds" in outcome.message


def test_endless_printing_is_kept_short(monkeypatch):
    monkeypatch.setattr("autograder.checking.examine.SECONDS", 0.3)

    def roi_pool(features, rois, output_size, spatial_scale):
        while True:
            print("here" * 50)

    assert len(check(roi_pool).printed) <= 2_000


@pytest.mark.parametrize("delegate", [reference, "torchvision", "adaptive"])
def test_delegation_earns_nothing_and_is_told(delegate):
    def roi_pool(features, rois, output_size, spatial_scale):
        if delegate == "torchvision":
            import torchvision.ops

            return torchvision.ops.roi_pool(features, rois, output_size, spatial_scale)
        if delegate == "adaptive":
            return torch.nn.functional.adaptive_max_pool2d(features, output_size)
        return delegate(features, rois, output_size, spatial_scale)

    outcome = check(roi_pool)
    assert (outcome.status, outcome.points) == ("delegated", 0)
    assert "write the steps yourself" in outcome.message


def test_wrong_things_passed_to_check():
    class roi_pool:
        pass

    assert "is a class" in check(roi_pool).message
    assert "must be a function" in check(roi_pool).message
    with pytest.raises(TypeError, match=r"the function itself, as in check\(roi_pool\)"):
        check("roi_pool")
    with pytest.raises(ValueError, match="did you mean roi_pool"):
        check(RIGHT, "roi_pol")
    outcome = check(lambda features, rois: features, "roi_pool")
    assert "keep the stub's first line" in outcome.message


def test_same_seed_same_cases_other_seed_others():
    wrong = EXERCISE.misconceptions[0].function
    first, again, other = (check(wrong, "roi_pool", seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first.message != other.message


def test_hidden_seed_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("AUTOGRADER_SEED", "123")
    assert check(RIGHT, hidden=True).seed == 123
    monkeypatch.delenv("AUTOGRADER_SEED")
    assert check(RIGHT, hidden=True).seed != check(RIGHT, hidden=True).seed


def test_renders_as_html_and_as_points_for_the_grader(monkeypatch):
    def roi_pool(features, rois, output_size, spatial_scale):
        raise ValueError("<script>alert(1)</script>")

    outcome = check(roi_pool)
    assert isinstance(outcome, Outcome)
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    bundle = outcome._repr_mimebundle_()
    assert bundle["text/plain"] == "0"
    assert "<script" not in bundle["text/html"]
    assert 'role="group"' in bundle["text/html"]
    assert json.loads(json.dumps(bundle[MIME]))["status"] == "crashed"


def test_verified_takes_the_right_one_and_replaces_the_wrong_one(capsys):
    assert verified(RIGHT) is RIGHT
    assert verified(lambda features, rois, output_size, spatial_scale: math.nan, "roi_pool") is reference
    assert "stands in" in capsys.readouterr().out


def test_first_check_loads_neither_torchvision_nor_matplotlib():
    code = (
        "import sys, torch; from autograder import check\n"
        "def roi_pool(features, rois, output_size, spatial_scale): return features\n"
        "check(roi_pool); print(sorted({'torchvision', 'matplotlib', 'nbgrader', 'IPython'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
