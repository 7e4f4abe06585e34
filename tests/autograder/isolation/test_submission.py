"""A whole submission of lab 5 in two processes: a fault costs its own exercise, and ours costs none."""

import copy
import os
import signal
from pathlib import Path

import nbformat
import pytest

from autograder.grading.execute import Cancelled, execute
from autograder.grading.graders import Graders
from autograder.grading.limits import Limits
from autograder.isolation.warm import ZygoteError

MASTER = Path(__file__).resolve().parents[3] / "solutions" / "05_fast_rcnn" / "fast_rcnn.ipynb"
POINTS = {
    "spatial_pyramid_pool": 4, "roi_pool": 10, "smooth_l1": 4, "sample_rois": 6, "fast_rcnn_loss": 6, "detect": 8,
}  # fmt: skip


@pytest.fixture
def variant():
    """The solved notebook with some answers replaced."""
    master = nbformat.read(MASTER, 4)

    def make(**answers):
        notebook = copy.deepcopy(master)
        for cell in notebook.cells:
            cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        return notebook

    return make


def lost(results):
    return {r.exercise: r.status for r in results if r.points != POINTS[r.exercise]}


def test_the_solved_notebook_gets_all_points_and_runs_without_an_error(graders, variant):
    notebook = variant()
    results = execute(notebook, graders, 7)
    assert [r.exercise for r in results] == list(POINTS)
    assert lost(results) == {}
    assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("import os\ndef detect(*a):\n    os._exit(1)", "crashed"),
        ("import os\nos._exit(1)", "crashed"),
        ("while True: pass", "timed_out"),
        ("def detect(:", "crashed"),
        ("def detect(*a):\n    raise NotImplementedError('write me')", "not_attempted"),
    ],
)
def test_a_fault_costs_its_own_exercise_only(graders, variant, answer, status):
    results = execute(variant(detect=answer), graders, 7, Limits(cell=4))
    assert lost(results) == {"detect": status}


@pytest.mark.parametrize("magic", ["%%time", "%%capture printed", "\n%%capture\n%%time", "%%prun -q"])
def test_what_a_cell_below_a_magic_defines_counts(graders, variant, magic):
    notebook = variant()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "smooth_l1":
            cell.source = f"{magic}\n{cell.source}"
    assert lost(execute(notebook, graders, 7)) == {}


@pytest.mark.parametrize(
    "answer",
    [
        "import torchvision\ndef detect(*a):\n    return torchvision.ops.nms(*a)",
        "def detect(*a):\n    from torchvision.ops import nms\n    return nms(*a)",
    ],
)
def test_calling_torchvision_is_delegation_here_too(graders, variant, answer):
    results = execute(variant(detect=answer), graders, 7)
    assert lost(results) == {"detect": "delegated"}
    assert "`torchvision.ops" in results[-1].message


@pytest.mark.parametrize(
    ("exercise", "answer", "words"),
    [
        ("spatial_pyramid_pool", "def spatial_pyramid_pool(features, levels):\n    levels.pop()", "levels was changed"),
        ("smooth_l1", "def smooth_l1(pred, target, beta=1.0):\n    target.unsqueeze_(0)", "target was"),
        ("smooth_l1", "def smooth_l1(pred, target, beta=1.0):\n    target.data = target.double()", "target was"),
        ("roi_pool", "def roi_pool(features, rois, output_size, spatial_scale):\n    rois.t_()", "rois was changed"),
    ],
)  # fmt: skip
def test_what_is_changed_in_place_is_seen_here_too(graders, variant, exercise, answer, words):
    results = execute(variant(**{exercise: answer}), graders, 7)
    assert words in next(result for result in results if result.exercise == exercise).message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("pred.detach().numpy()", "must be a tensor of shape"),
        ("pred.detach().numpy()", "yours is a ndarray"),
        ("{1, 2}", "yours is a set"),
        ("pred.to(torch.complex64)", "no answer came from your function: a tensor of dtype complex64"),
    ],
)
def test_a_value_of_another_type_is_told_as_the_notebook_tells_it(graders, variant, value, words):
    results = execute(
        variant(smooth_l1=f"def smooth_l1(pred, target, beta=1.0):\n    return {value}"), graders, 7
    )
    told = next(result for result in results if result.exercise == "smooth_l1")
    assert words in told.message


def test_the_rest_is_graded_after_a_process_has_ended(graders, variant):
    results = execute(variant(roi_pool="import os\ndef roi_pool(*a):\n    os._exit(1)"), graders, 7)
    assert lost(results) == {"roi_pool": "crashed"}


def test_the_time_of_a_whole_submission_is_limited(graders, variant):
    results = execute(variant(roi_pool="while True: pass"), graders, 7, Limits(cell=60, submission=2))
    assert results[0].points == 4
    assert {r.status for r in results[1:]} == {"timed_out"}
    assert "not reached" in results[-1].reason or "not checked" in results[-1].reason


def test_grading_can_be_cancelled(graders, variant, living):
    with pytest.raises(Cancelled):
        execute(variant(), graders, 7, stopped=lambda: True)
    assert living(graders.student) == living(graders.checker) == []


def test_a_zygote_that_is_killed_costs_nobody_points(variant):
    with Graders("05_fast_rcnn") as own:
        os.kill(own.checker.pid, signal.SIGKILL)
        with pytest.raises(ZygoteError):
            execute(variant(), own, 7)
