"""Run a sanitised submission in two processes: the learner's cells in a jail, the checks in another process.

What the learner's process sends back is only values; whether they are right is decided in the checker's, which
student code cannot reach. A cell or a check that ends the learner's process, or does not return, costs its own
exercise only: a new process is forked, the definitions run again without the cell at fault, and the rest is graded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode

from autograder.isolation.warm import ZygoteError

from .files import NO_FILES, Files
from .graders import Graders, WarmGraders
from .limits import DEFAULT, Limits
from .result import Result
from .session import Session


class Cancelled(Exception):
    """Grading was stopped from outside."""


def execute(
    notebook: NotebookNode,
    graders: Graders,
    seed: int,
    limits: Limits = DEFAULT,
    files: Files = NO_FILES,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Result]:
    """Run the cells of ``notebook``; outputs and results are written on its cells.

    Args:
        notebook: a sanitised submission: repaired, without outputs, its checks restored. It is changed.
        graders: of the notebook's lab.
        seed: of the hidden cases.
        limits: the deadlines.
        files: by name, what lies beside the notebook while it runs.
        stopped: asked between two cells; when it says yes, `Cancelled` is raised.

    Raises:
        ZygoteError: the machine could not run the submission. Nothing is known of it then: grade it again.
    """
    session = Session(notebook, graders, seed, limits, files)
    try:
        results = []
        for index in range(len(notebook.cells)):
            if stopped():
                raise Cancelled
            if (result := session.visit(index)) is not None:
                results.append(result)
        return results
    finally:
        session.close()


def execute_kept_warm(
    notebook: NotebookNode, warm: WarmGraders, lab: str, unsafe: bool = False, **options: Any
) -> tuple[NotebookNode, list[Result]]:
    """`execute` on a copy of ``notebook``, with graders that are warm already; once more if the machine failed.

    Raises:
        ZygoteError: it failed twice.
    """

    def attempt() -> tuple[NotebookNode, list[Result]]:
        executed = copy.deepcopy(notebook)
        with warm.lend(lab, unsafe) as graders:
            return executed, execute(executed, graders, **options)

    try:
        return attempt()
    except ZygoteError:
        return attempt()
