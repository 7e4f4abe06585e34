"""Run a sanitised submission and turn every graded cell into a `Result`.

The first form: learner and checks share one kernel, which is restarted whenever a cell kills it or does not return. A
crash or a loop costs its own exercise only: the definitions are run again without the cell at fault, and the rest is
graded. What is written on the graded cells (a number of points, or an error with its reason) is what nbgrader reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.notebooks.cells import exercise_name, grade_id, is_grade, is_skipped, is_solution, marks

from .kernel import Kernel, Run
from .record import record, record_error
from .result import OUTCOME, Result, from_outcome


@dataclass(frozen=True)
class Limits:
    """Seconds: for a kernel to start, for one cell, for a whole submission."""

    start: float = 120.0
    cell: float = 120.0
    submission: float = 900.0


def execute(
    notebook: NotebookNode,
    folder: Path,
    seed: int,
    limits: Limits = Limits(),
    stopped: Callable[[], bool] = lambda: False,
) -> list[Result]:
    """Run the cells of ``notebook`` in ``folder``; outputs and results are written on its cells.

    Args:
        notebook: a sanitised submission: repaired, without outputs, its checks restored. It is changed.
        folder: the working directory of the learner's code.
        seed: for the hidden cases, given to the kernel as AUTOGRADER_SEED.
        limits: the deadlines.
        stopped: asked a few times a second; when it says yes, `kernel.Cancelled` is raised.
    """
    session = _Session(notebook, folder, seed, limits, stopped)
    try:
        return [
            result for index in range(len(notebook.cells)) if (result := session.visit(index)) is not None
        ]
    finally:
        session.close()


class _Session:
    """The kernel of one submission, and which of its cells have run or must not run (again)."""

    def __init__(
        self, notebook: NotebookNode, folder: Path, seed: int, limits: Limits, stopped: Callable[[], bool]
    ) -> None:
        self._cells = notebook.cells
        self._limits = limits
        self._stopped = stopped
        self._folder = folder
        self._environment = {
            "AUTOGRADER_SEED": str(seed),
            "NBGRADER_EXECUTION": "autograde",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._end = time.monotonic() + limits.submission
        self._defined: list[int] = []  # cells a new kernel must run again
        self._culprits: dict[int, tuple[str, str]] = {}  # cell -> status and reason
        self._kernel: Kernel | None = None

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.stop()
            self._kernel = None

    def visit(self, index: int) -> Result | None:
        """Run one cell if it is to be run; the result of a graded one."""
        cell = self._cells[index]
        if is_grade(cell) and not is_solution(cell):
            return self._grade(index)
        if cell.cell_type == "code" and not is_skipped(cell) and cell.source.strip():
            self._define(index)
        return None

    def _define(self, index: int) -> None:
        cell = self._cells[index]
        if self._spent():
            return
        run = self._run(index)
        cell.outputs, cell.execution_count = run.outputs, run.number
        if run.alive and run.ended == "finished":
            self._defined.append(index)
            return
        status, reason = _blame(run, "this cell", self._limits.cell)
        self._culprits[index] = (status, reason)
        record_error(cell, status, reason)
        if not run.alive:
            self._rebuild()

    def _grade(self, index: int) -> Result:
        cell = self._cells[index]
        exercise = exercise_name(grade_id(cell) or "")
        possible = float(marks(cell).get("points", 0))
        answers = self._answers(index)
        for answer in answers:
            if answer in self._culprits:
                status, reason = self._culprits[answer]
                return record(
                    cell,
                    Result(exercise, 0.0, possible, status, reason=f"{exercise} was not checked: {reason}"),
                )
        if self._spent():
            reason = f"the whole notebook ran longer than {self._limits.submission:g} s; {exercise} was not reached"
            return record(cell, Result(exercise, 0.0, possible, "timed_out", reason=reason))
        run = self._run(index)
        cell.outputs, cell.execution_count = run.outputs, run.number
        if run.alive and run.ended == "finished":
            return record(cell, _result_of(run, exercise, possible, self._broken(answers)))
        status, reason = _blame(run, f"{exercise}, when it was checked,", self._limits.cell)
        for answer in answers:
            self._culprits[answer] = (status, reason)
        if not run.alive:
            self._rebuild()
        return record(
            cell, Result(exercise, 0.0, possible, status, reason=reason, duration=round(run.seconds, 3))
        )

    def _answers(self, index: int) -> list[int]:
        """The solution cells a graded cell is about: those of its exercise, else those since the last graded cell."""
        name = exercise_name(grade_id(self._cells[index]) or "")
        named = [i for i, cell in enumerate(self._cells) if is_solution(cell) and grade_id(cell) == name]
        if named:
            return named
        earlier = [i for i in range(index) if is_grade(self._cells[i])]
        start = earlier[-1] + 1 if earlier else 0
        return [i for i in range(start, index) if is_solution(self._cells[i])]

    def _broken(self, answers: list[int]) -> str:
        """What stopped the learner's own cell, if anything did."""
        for answer in answers:
            for output in self._cells[answer].get("outputs", []):
                if output.output_type == "error":
                    return f"the cell of the answer stopped with {output.ename}: {output.evalue}"
        return ""

    def _run(self, index: int) -> Run:
        if self._kernel is None:
            self._kernel = Kernel(self._folder, self._environment, self._limits.start, self._stopped)
        seconds = min(self._limits.cell, max(self._end - time.monotonic(), 1.0))
        return self._kernel.run(self._cells[index].source, seconds)

    def _rebuild(self) -> None:
        """A new kernel with all definitions except those of the cells at fault."""
        finished = False
        while not finished and not self._spent():
            self.close()
            finished = True
            for index in [index for index in self._defined if index not in self._culprits]:
                run = self._run(index)
                if not run.alive:
                    self._culprits[index] = _blame(
                        run, "this cell, run again after a crash,", self._limits.cell
                    )
                    finished = False
                    break

    def _spent(self) -> bool:
        return time.monotonic() > self._end


def _blame(run: Run, what: str, seconds: float) -> tuple[str, str]:
    """Status and reason of a run that did not finish."""
    if run.ended == "timed out":
        return "timed_out", f"{what} did not return within {seconds:g} s"
    if run.exit_code is not None and run.exit_code < 0:
        return (
            "crashed",
            f"{what} crashed the Python process (signal {-run.exit_code}; too much memory, perhaps)",
        )
    code = "" if run.exit_code is None else f" (exit code {run.exit_code})"
    return "crashed", f"{what} ended the Python process{code}"


def _result_of(run: Run, exercise: str, possible: float, broken: str) -> Result:
    """The result of a graded cell that ran to its end."""
    for output in run.outputs:
        if output.output_type == "error":
            reason = f"{output.ename}: {output.evalue}" + (f"; {broken}" if broken else "")
            return Result(exercise, 0.0, possible, "crashed", reason=reason, duration=round(run.seconds, 3))
    for output in reversed(run.outputs):
        if output.output_type == "execute_result" and isinstance(output.data.get(OUTCOME), dict):
            return from_outcome(output.data[OUTCOME], exercise, possible, run.seconds)
    reason = "the cell showed no outcome of a check"
    return Result(exercise, 0.0, possible, "crashed", reason=reason, duration=round(run.seconds, 3))
