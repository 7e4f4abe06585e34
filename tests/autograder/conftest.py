"""A course with one tiny lab whose checks need no torch: kernels start in a second."""

import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]

MASTER = """\
# %% [markdown]
# # A tiny lab

# %%
OUTCOME = "application/vnd.beyond-classification.outcome+json"


class Outcome:
    def __init__(self, points, possible, seed):
        self.points, self.possible, self.seed = points, possible, seed

    def _repr_mimebundle_(self, include=None, exclude=None):
        status = "correct" if self.points == self.possible else "incorrect"
        values = {"points": self.points, "possible": self.possible, "status": status, "seed": self.seed}
        return {"text/plain": str(self.points), "text/html": f"<b>{status}</b>", OUTCOME: values}


def check(function, times, possible=4, hidden=False):
    import os

    seed = int(os.environ.get("AUTOGRADER_SEED", 0)) if hidden else 0
    right = sum(function(n) == times * n for n in range(4))
    return Outcome(possible * right / 4, possible, seed)


# %% nbgrader={"grade_id": "double", "solution": true}
# exercise 1: double
def double(n):
    ### BEGIN SOLUTION
    twice_the_number = 2 * n
    return twice_the_number
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_double", "grade": true, "points": 4}
# check 1: double
check(double, 2)
### BEGIN HIDDEN TESTS
check(double, 2, hidden=True)
### END HIDDEN TESTS

# %% tags=["skip-execution"]
training_is_skipped = 1 / 0

# %% nbgrader={"grade_id": "triple", "solution": true}
# exercise 2: triple
def triple(n):
    ### BEGIN SOLUTION
    return n + double(n)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_triple", "grade": true, "points": 8}
# check 2: triple
check(triple, 3, 8)
### BEGIN HIDDEN TESTS
check(triple, 3, 8, hidden=True)
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "square", "solution": true}
# exercise 3: square
def square(n):
    ### BEGIN SOLUTION
    return 7 * n
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_square", "grade": true, "points": 4}
# check 3: square
check(square, 7)
### BEGIN HIDDEN TESTS
check(square, 7, hidden=True)
### END HIDDEN TESTS
"""


@pytest.fixture(scope="session")
def fresh_course(tmp_path_factory):
    """A released course, never changed by tests."""
    from autograder.notebooks.release import release

    os.environ["OMP_NUM_THREADS"] = "1"
    root = tmp_path_factory.mktemp("course")
    (root / "solutions" / "01_tiny").mkdir(parents=True)
    (root / "solutions" / "01_tiny" / "tiny.py").write_text(MASTER)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release(root)
    return root


@pytest.fixture
def course(fresh_course, tmp_path):
    """A released course to change at will."""
    shutil.copytree(fresh_course, tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture
def released(fresh_course):
    """The learner's notebook."""
    return nbformat.read(fresh_course / "labs" / "01_tiny" / "tiny.ipynb", as_version=4)


@pytest.fixture
def solved(fresh_course):
    """A perfect submission: the learner's notebook with the right answers in it."""
    notebook = nbformat.read(fresh_course / "labs" / "01_tiny" / "tiny.ipynb", as_version=4)
    return _fill(notebook, double="return 2 * n", triple="return 3 * n", square="return 7 * n")


@pytest.fixture
def fill():
    """Write answers into a notebook: fill(notebook, double="return 2 * n")."""
    return _fill


def _fill(notebook, **bodies):
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in bodies:
            cell.source = cell.source.replace('raise NotImplementedError("write me")', bodies[name])
    return notebook


@pytest.fixture
def folders_without_end():
    """Makes 1500 folders within one another: ``folders_without_end(inside)``. No program finds its way to the last."""
    made = []

    def make(inside):
        made.append(inside / ("a" * 100))
        here = os.open(inside, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("a" * 100, dir_fd=here)
            inner = os.open("a" * 100, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.close(here)

    yield make
    for outermost in made:  # pytest's own way is too recursive for them
        subprocess.run(["rm", "-rf", outermost], check=True)
