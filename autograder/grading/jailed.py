"""Run a sanitised submission in two processes: the learner's cells in a jail, the checks in another process.

What the learner's process sends back is only values; whether they are right is decided in the checker's, which
student code cannot reach. A cell or a check that ends the learner's process, or does not return, costs its own
exercise only: a new process is forked, the definitions run again without the cell at fault, and the rest is graded.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.exercises import UnknownExercise, load
from autograder.isolation import jail
from autograder.isolation.channel import Late
from autograder.isolation.protocol import ProtocolError
from autograder.isolation.student_view import write_student_view
from autograder.isolation.warm import Child, Zygote, checker_zygote, student_zygote
from autograder.notebooks.cells import exercise_name, grade_id, is_grade, is_skipped, is_solution, marks

from .record import record, record_error
from .replies import blame, outcome_of, outputs, shown
from .result import Result, from_outcome

MOST_BYTES = 2**20  # of an answer to this process, which has more to lose than the confined ones


class Cancelled(Exception):
    """Grading was stopped from outside."""


@dataclass(frozen=True)
class Limits:
    """Seconds: for one cell, for one exercise's checks, for a whole submission."""

    cell: float = 30.0
    exercise: float = 90.0
    submission: float = 300.0


class Graders:
    """The warm processes that grade one lab; threads may share them."""

    def __init__(self, lab: str, unsafe: bool = False, process: jail.Limits | None = None) -> None:
        """Write the students' view of the lab and warm up both sides at the same time.

        Args:
            lab: as in the course's folders.
            unsafe: without jails, for machines that allow none.
            process: what a student process may use.

        Raises:
            ZygoteError: one of them did not start.
        """
        self._stack = contextlib.ExitStack()
        try:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="students-view-")))
            folder.chmod(0o755)
            view = write_student_view(folder / "view", lab)
            with ThreadPoolExecutor(2) as both:
                starting = [
                    both.submit(student_zygote, view, process, unsafe),
                    both.submit(checker_zygote, unsafe=unsafe),
                ]
            for future in starting:
                if future.exception() is None:
                    self._stack.enter_context(future.result())
            self.student, self.checker = (future.result() for future in starting)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Graders:
        """Everything is warm."""
        return self

    def __exit__(self, *_: object) -> None:
        """End both zygotes and their children, remove the view."""
        self._stack.close()


def execute(
    notebook: NotebookNode,
    graders: Graders,
    seed: int,
    limits: Limits = Limits(),
    stopped: Callable[[], bool] = lambda: False,
) -> list[Result]:
    """Run the cells of ``notebook``; outputs and results are written on its cells.

    Args:
        notebook: a sanitised submission: repaired, without outputs, its checks restored. It is changed.
        graders: of the notebook's lab.
        seed: of the hidden cases.
        limits: the deadlines.
        stopped: asked between two cells; when it says yes, `Cancelled` is raised.

    Raises:
        ZygoteError: the machine could not run the submission. Nothing is known of it then: grade it again.
    """
    session = _Session(notebook, graders, seed, limits)
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


class _Process:
    """A child of a zygote that may end, be ended, and be started again."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._stack = contextlib.ExitStack()
        self.child: Child | None = None

    def start(self) -> Child:
        """The living one, or a new one."""
        if self.child is None:
            self.child = self._stack.enter_context(self._zygote.child())
        return self.child

    def end(self) -> None:
        self.child = None
        self._stack.close()


class _Session:
    """The two processes of one submission, and which of its cells have run or must not run (again)."""

    def __init__(self, notebook: NotebookNode, graders: Graders, seed: int, limits: Limits) -> None:
        self._cells = notebook.cells
        self._seed = seed
        self._limits = limits
        self._end = time.monotonic() + limits.submission
        self._defined: list[int] = []  # cells a new process must run again
        self._culprits: dict[int, tuple[str, str]] = {}  # cell -> status and reason
        self._student = _Process(graders.student)
        self._checker = _Process(graders.checker)

    def close(self) -> None:
        self._student.end()
        self._checker.end()

    def visit(self, index: int) -> Result | None:
        """Run one cell if it is to be run; the result of a graded one."""
        cell = self._cells[index]
        if is_grade(cell) and not is_solution(cell):
            return record(cell, self._grade(index))
        if cell.cell_type == "code" and not is_skipped(cell) and cell.source.strip() and not self._spent():
            self._define(index)
        return None

    def _define(self, index: int) -> None:
        cell = self._cells[index]
        try:
            ran = self._run(index)
        except ProtocolError as error:
            status, reason = blame(error, "this cell", self._limits.cell)
            self._culprits[index] = (status, reason)
            self._student.end()
            record_error(cell, status, reason)
            return
        self._defined.append(index)
        cell.outputs = outputs(ran)

    def _grade(self, index: int) -> Result:
        cell = self._cells[index]
        name = exercise_name(grade_id(cell) or "")
        possible = float(marks(cell).get("points", 0))
        answers = self._answers(index, name)
        try:
            load(name)
        except UnknownExercise as error:
            return Result(name, 0.0, possible, "crashed", reason=str(error))
        started = time.monotonic()
        self._ensure_student()
        for answer in answers:
            if answer in self._culprits:
                status, reason = self._culprits[answer]
                return Result(name, 0.0, possible, status, reason=f"{name} was not checked: {reason}")
        if self._spent():
            reason = (
                f"the whole notebook ran longer than {self._limits.submission:g} s; {name} was not reached"
            )
            return Result(name, 0.0, possible, "timed_out", reason=reason)
        try:
            outcome = self._check(name)
        except ProtocolError as error:
            self._student.end()
            status, reason = blame(error, f"the check of {name}", self._limits.exercise)
            return Result(name, 0.0, possible, status, reason=reason)
        broken = self._broken(answers)
        if broken and outcome["status"] == "not_attempted":
            outcome["message"] = f"{broken}\n{outcome['message']}"
        cell.outputs = [shown(outcome)]
        return from_outcome(outcome, name, possible, time.monotonic() - started)

    def _check(self, name: str) -> dict[str, Any]:
        """Lend the checker the socket to the student process, take its outcome."""
        checker, order = self._checker.start(), f"{name}\nTrue\n{self._seed}".encode()
        try:
            socket.send_fds(checker.connection, [order], [self._student.start().connection.fileno()])
            seconds = self._left(self._limits.exercise)
            answer = checker.channel.receive(seconds, MOST_BYTES, tensors=False)
            outcome = outcome_of(answer, name)
        except (ProtocolError, OSError) as error:
            self._checker.end()
            raise error if isinstance(error, ProtocolError) else ProtocolError("no check was made") from error
        if answer["alive"] is not True:
            self._student.end()
        return outcome

    def _answers(self, index: int, name: str) -> list[int]:
        """The solution cells a graded cell is about: those of its exercise, else those since the last graded cell."""
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
                    return f"The cell of the answer stopped with {output.ename}: {output.evalue}"
        return ""

    def _run(self, index: int) -> dict[str, Any]:
        """Run a cell, after those before it: what it printed and raised."""
        self._ensure_student(but=index)
        if self._student.child is None:
            raise Late("the time of the whole notebook is over")
        cell = {"label": f"cell {index}", "source": self._cells[index].source}
        seconds = self._left(self._limits.cell)
        self._student.child.channel.send({"do": "run", "with": cell}, seconds)
        ran = self._student.child.channel.receive(seconds, MOST_BYTES, tensors=False)
        if type(ran) is not dict:
            raise ProtocolError("the process answered with something that is not an answer")
        return ran

    def _ensure_student(self, but: int | None = None) -> None:
        """A living student process in which all earlier definitions have run, except those at fault."""
        while self._student.child is None and not self._spent():
            self._student.start()
            for index in [i for i in self._defined if i not in self._culprits and i != but]:
                try:
                    self._run(index)
                except ProtocolError as error:
                    self._culprits[index] = blame(error, "this cell, run again,", self._limits.cell)
                    self._student.end()
                    break

    def _left(self, seconds: float) -> float:
        return min(seconds, max(self._end - time.monotonic(), 1.0))

    def _spent(self) -> bool:
        return time.monotonic() > self._end
