"""One submission as values: what a worker gets, and what it gives back."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nbformat

from .limits import Limits

if TYPE_CHECKING:
    from .graders import WarmGraders


@dataclass(frozen=True)
class Work:
    """One sanitised notebook to be executed: its JSON, the seed of its hidden cases, the files beside it."""

    notebook: str
    seed: int
    files: dict[str, bytes]


@dataclass(frozen=True)
class Task:
    """A submission for a worker, which sees nothing else: no gradebook, no folder, no other submission."""

    student: str
    lab: str
    work: dict[str, Work]  # by the notebook's name
    limits: Limits
    unsafe: bool = False


@dataclass(frozen=True)
class Done:
    """What became of a task: the graded notebooks as JSON and the seconds it took, or the problem."""

    student: str
    notebooks: dict[str, str]
    seconds: float = 0.0
    problem: str | None = None


def run(task: Task, warm: WarmGraders) -> Done:
    """Execute a submission in this process's warm processes.

    Raises:
        NoJail: this machine allows none.
    """
    from autograder.isolation.warm import ZygoteError

    from .execute import execute_kept_warm  # here, since they bring torch, which a writer does not need

    graded: dict[str, str] = {}
    try:
        with warm.lend(task.lab, task.unsafe):
            started = time.monotonic()  # the time to warm up is nobody's
        for name, work in task.work.items():
            notebook = as_notebook(work.notebook)
            executed, _ = execute_kept_warm(
                notebook, warm, task.lab, task.unsafe, seed=work.seed, limits=task.limits, files=work.files
            )
            graded[name] = as_text(executed)
    except ZygoteError as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        return Done(task.student, {}, problem=f"the machine failed to run it, twice: {reason}")
    return Done(task.student, graded, time.monotonic() - started)


def as_text(notebook: Any) -> str:
    """A notebook as JSON."""
    return json.dumps(notebook, ensure_ascii=False)


def as_notebook(text: str) -> Any:
    """The inverse of `as_text`; it was valid before."""
    return nbformat.from_dict(json.loads(text))
