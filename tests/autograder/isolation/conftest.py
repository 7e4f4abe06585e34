"""One pair of warm processes for all tests of this folder, and small notebooks to grade with them."""

import os
from pathlib import Path

import nbformat
import pytest

from autograder.grading.graders import Graders
from autograder.isolation import jail

LAB = "05_fast_rcnn"
ROOT = Path(__file__).resolve().parents[3]
SETUP = "import torch\nfrom torch import Tensor\nfrom autograder import check"


@pytest.fixture(scope="session")
def graders():
    if reason := jail.problem():
        pytest.skip(f"no jail on this machine: {reason}")
    os.environ["CANARY_TOKEN"] = "canary"
    with Graders(LAB, process=jail.Limits(memory_mb=500)) as warm:
        yield warm
        assert living_below(warm.student) == living_below(warm.checker) == []


@pytest.fixture(scope="session")
def small():
    """Makes a sanitised submission of one exercise: ``small(answer, cell above, ...)``."""
    return _small


@pytest.fixture(scope="session")
def living():
    """What a zygote has forked and not yet ended: ``living(zygote)``."""
    return living_below


@pytest.fixture
def student(graders):
    """A function that asks a fresh student process: ``student("run", label=..., source=...)``."""
    with graders.student.child() as child:

        def ask(what, seconds=30.0, **details):
            child.channel.send({"do": what, "with": details})
            return child.channel.receive(seconds)

        ask.child = child
        yield ask


def _small(answer, *before, exercise="smooth_l1", points=4):
    def code(source, **marks):
        return nbformat.v4.new_code_cell(source, metadata={"nbgrader": marks} if marks else {})

    return nbformat.v4.new_notebook(
        cells=[
            code(SETUP),
            *(code(source) for source in before if source),
            code(answer, grade_id=exercise, solution=True, grade=False),
            code(
                f"check({exercise}, hidden=True)",
                grade_id=f"test_{exercise}",
                solution=False,
                grade=True,
                points=points,
            ),
        ]
    )


def living_below(zygote):
    (warm,) = children(zygote.pid)
    return children(warm)


def children(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it ended meanwhile
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found
