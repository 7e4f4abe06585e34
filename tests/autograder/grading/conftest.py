"""A course with one small lab of three real exercises, and the processes that grade it."""

import copy
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from graded_class import hand_in_class
from invented_results import InventedResults
from typer.testing import CliRunner

from autograder.cli import app
from autograder.grading import batch
from autograder.isolation import jail
from autograder.notebooks.cells import grade_id

ROOT = Path(__file__).resolve().parents[3]
LAB = "03_boxes"
STUB = 'raise NotImplementedError("write me")'

MASTER = """\
# %% [markdown]
# # Boxes

# %%
import torch
from autograder import check

# %% nbgrader={"grade_id": "xyxy_to_cxcywh", "solution": true}
def xyxy_to_cxcywh(boxes):
    ### BEGIN SOLUTION
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_xyxy_to_cxcywh", "grade": true}
check(xyxy_to_cxcywh)
### BEGIN HIDDEN TESTS
check(xyxy_to_cxcywh, hidden=True)
### END HIDDEN TESTS

# %% tags=["skip-execution"]
training_is_skipped = 1 / 0

# %% nbgrader={"grade_id": "smooth_l1", "solution": true}
def smooth_l1(pred, target, beta=1.0):
    ### BEGIN SOLUTION
    size = (pred - target).abs()
    if beta == 0:
        return size
    return torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_smooth_l1", "grade": true}
check(smooth_l1)
### BEGIN HIDDEN TESTS
check(smooth_l1, hidden=True)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "cxcywh_to_xyxy", "solution": true}
def cxcywh_to_xyxy(boxes):
    ### BEGIN SOLUTION
    cx, cy, w, h = boxes.unbind(1)
    return torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_cxcywh_to_xyxy", "grade": true}
check(cxcywh_to_xyxy)
### BEGIN HIDDEN TESTS
check(cxcywh_to_xyxy, hidden=True)
### END HIDDEN TESTS
"""

ANSWERS = {
    "xyxy_to_cxcywh": "corners, far = boxes[:, :2] / 2, boxes[:, 2:] / 2\n"
    "    return torch.cat([corners + far, (far - corners) * 2], 1)",
    "smooth_l1": "size = (pred - target).abs()\n    return size if beta == 0 else torch.where("
    "size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)",
    "cxcywh_to_xyxy": "centre, half = boxes[:, :2], boxes[:, 2:] / 2\n"
    "    return torch.cat([centre - half, centre + half], 1)",
}


@pytest.fixture(scope="session")
def fresh_boxes_course(tmp_path_factory):
    """A released course, never changed by tests."""
    from autograder.notebooks.release import release

    os.environ["OMP_NUM_THREADS"] = "1"
    root = tmp_path_factory.mktemp("boxes") / "course"
    (root / "solutions" / LAB).mkdir(parents=True)
    (root / "solutions" / LAB / "boxes.py").write_text(MASTER)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release(root)
    return root


@pytest.fixture
def boxes_course(fresh_boxes_course, tmp_path):
    """A released course to change at will."""
    shutil.copytree(fresh_boxes_course, tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture(scope="session")
def answers():
    """Right bodies of the three functions."""
    return ANSWERS


@pytest.fixture(scope="session")
def submission(fresh_boxes_course):
    """Makes what a learner hands in: ``submission(smooth_l1="return pred")``; the other answers are right."""
    released = nbformat.read(fresh_boxes_course / "labs" / LAB / "boxes.ipynb", as_version=4)

    def make(**answers):
        notebook = copy.deepcopy(released)
        for cell in notebook.cells:
            if (name := grade_id(cell)) in ANSWERS:
                cell.source = cell.source.replace(STUB, (ANSWERS | answers)[name])
        return notebook

    return make


@pytest.fixture(scope="session")
def hand_in():
    """Puts a submission into a course: ``hand_in(course, "ada", notebook, {"data.txt": b"1"})``."""
    return _hand_in


def _hand_in(course, student, notebook, files=None):
    folder = course / "submitted" / student / LAB
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(notebook, bytes):
        (folder / "boxes.ipynb").write_bytes(notebook)
    else:
        nbformat.write(notebook, folder / "boxes.ipynb")
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture(scope="session")
def warm():
    """Warm processes for all tests that need no course."""
    from autograder.grading.graders import WarmGraders

    if reason := jail.problem():
        pytest.skip(f"no jail on this machine: {reason}")
    kept = WarmGraders()
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def small_class(fresh_boxes_course, submission, hand_in, tmp_path_factory):
    """A course with five submissions that are not graded, the last one unreadable; never changed by tests."""
    course = tmp_path_factory.mktemp("small_class") / "course"
    shutil.copytree(fresh_boxes_course, course)
    hand_in_class(course, submission, hand_in, 5)
    (course / "gradebook.db.seed").write_text("the same hidden cases for all")
    return course


@pytest.fixture
def autograder_grade(monkeypatch):
    """The command, with results that are invented: ``autograder_grade(course, "--resume", on_execution=...)``."""

    def run(course, *options, on_execution=lambda student: None):
        monkeypatch.setattr(batch, "Workers", lambda *_: InventedResults(course, on_execution))
        ran = CliRunner().invoke(app, ["grade", LAB, "--unsafe", "--root", str(course), *options])
        assert ran.exception is None or isinstance(ran.exception, SystemExit), repr(ran.exception)
        return ran

    return run
