"""Workers that execute nothing: what a class is graded to in no time, to test the one who writes it all down."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from autograder.grading.record import record
from autograder.grading.result import OUTCOME, from_outcome
from autograder.grading.task import Done, Task, as_notebook, as_text
from autograder.notebooks.cells import exercise_name, grade_id, is_grade, marks


class InventedResults:
    """In the place of `Workers`: each exercise gets a share of its points that follows from the student's name.

    Only the durations differ from one execution to the next. `executions` knows who was executed; ``on_execution`` is
    called with the student before.
    """

    room = 2

    def __init__(self, course: Path, on_execution: Callable[[str], None] = lambda student: None) -> None:
        self._log, self._on_execution = _log(course), on_execution
        self._waiting: list[Task] = []

    def __enter__(self) -> InventedResults:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing runs."""

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def poll(self, seconds: float) -> Iterator[Done]:
        while self._waiting:
            yield self._execute(self._waiting.pop(0))

    def _execute(self, task: Task) -> Done:
        self._on_execution(task.student)
        with self._log.open("a") as log:
            log.write(f"{task.student}\n")
        return Done(
            task.student,
            {name: invented(work.notebook, task.student) for name, work in task.work.items()},
            1.0,
        )


def invented(text: str, student: str) -> str:
    """A notebook with results on its graded cells."""
    notebook = as_notebook(text)
    for cell in filter(is_grade, notebook.cells):
        name, possible = exercise_name(grade_id(cell)), float(marks(cell)["points"])
        points = random.Random(f"{student} {name}").choice([0, possible / 2, possible])
        outcome = {
            "status": "incorrect",
            "points": points,
            "possible": possible,
            "message": f"{name}: {points}",
        }
        data = nbformat.from_dict({"text/plain": f"{points:g}", OUTCOME: outcome})
        cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=None)]
        record(cell, from_outcome(outcome, name, possible, time.perf_counter()))
    return as_text(notebook)


def executions(course: Path) -> list[str]:
    """The students whose submissions were executed, in that order."""
    return _log(course).read_text().split() if _log(course).exists() else []


def _log(course: Path) -> Path:
    return course.parent / "executed"


def at_the_second(action: Callable[[], object]) -> Callable[[str], None]:
    """For ``on_execution``: calls ``action`` once, when the second submission is executed."""
    seen: list[str] = []

    def on_execution(student: str) -> None:
        seen.append(student)
        if len(seen) == 2:
            action()

    return on_execution
