"""One submission while it is graded: its two processes, and which of its cells have run."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import torch
from nbformat import NotebookNode

from autograder.exercises import UnknownExercise, load
from autograder.isolation.channel import Late
from autograder.isolation.protocol import ProtocolError
from autograder.isolation.warm import Child, Zygote, ZygoteError
from autograder.isolation.withheld import operators_fitting
from autograder.notebooks.cells import (
    exercise_name,
    grade_id,
    in_one_line,
    is_grade,
    is_skipped,
    is_solution,
    marks,
)

from .files import Files
from .graders import Graders
from .limits import Limits
from .record import record, record_error
from .replies import PRINTED, blame, outcome_of, outputs, shown
from .result import Result, from_outcome

MOST_BYTES = 2**20  # of an answer to this process, which has more to lose than the confined ones
PRINTED_IN_ALL = 200_000  # characters of what all cells print that are kept
PREPARE_SECONDS = 30.0  # for a new process; what is slow here is the machine


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


class Session:
    """The two processes of one submission, and which of its cells have run or must not run (again)."""

    def __init__(
        self, notebook: NotebookNode, graders: Graders, seed: int, limits: Limits, files: Files
    ) -> None:
        """Nothing is started yet; see `execute` for the arguments."""
        self._cells = notebook.cells
        self._files = files
        self._seed = seed
        self._limits = limits
        self._end = time.monotonic() + limits.submission
        self._room = PRINTED_IN_ALL
        self._defined: list[int] = []  # cells a new process must run again
        self._culprits: dict[int, tuple[str, str]] = {}  # cell -> status and reason
        self._all_answers = _answers_in_torch(notebook)
        self._withheld = self._all_answers  # from the next student process
        self._student = _Process(graders.student)
        self._checker = _Process(graders.checker)

    def close(self) -> None:
        """End both processes."""
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
        cell.outputs, printed = outputs(ran, min(PRINTED, self._room))
        self._room = max(self._room - printed, 0)

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
            outcome.update(status="crashed", message=f"{broken}\n{outcome['message']}")
        cell.outputs = [shown(outcome)]
        return from_outcome(outcome, name, possible, time.monotonic() - started)

    def _check(self, name: str) -> dict[str, Any]:
        """The checker's outcome of an exercise."""
        answer = self._lend(name)
        if "withheld" in answer:  # for another exercise's sake: here it may be used
            self._student.end()
            self._withheld = load(name).delegates
            try:
                self._ensure_student()
                answer = self._lend(name)
            finally:
                self._student.end()
                self._withheld = self._all_answers
        outcome = outcome_of(answer, name)
        if answer.get("alive") is not True:
            self._student.end()
        return outcome

    def _lend(self, name: str) -> dict[str, Any]:
        """Lend the checker the socket to the student process, take its answer."""
        checker, order = self._checker.start(), f"{name}\nTrue\n{self._seed}".encode()
        try:
            socket.send_fds(checker.connection, [order], [self._student.start().connection.fileno()])
            seconds = self._left(self._limits.exercise)
            answer = checker.channel.receive(seconds, MOST_BYTES, tensors=False)
            if type(answer) is not dict:
                raise ProtocolError("the checker's answer is none")
        except (ProtocolError, OSError) as error:
            self._checker.end()
            raise error if isinstance(error, ProtocolError) else ProtocolError("no check was made") from error
        return answer

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
                    said = in_one_line(" ".join(f"{output.ename}: {output.evalue}".split()), 300)
                    return f"The cell of the answer stopped with {said}"
        return ""

    def _run(self, index: int) -> dict[str, Any]:
        """Run a cell, after those before it: what it printed and raised."""
        self._ensure_student(but=index)
        if self._student.child is None:
            raise Late("the time of the whole notebook is over")
        return self._ask(
            "run", self._left(self._limits.cell), label=f"cell {index}", source=self._cells[index].source
        )

    def _ask(self, what: str, seconds: float, **details: Any) -> dict[str, Any]:
        """Let the student process do something: its answer."""
        channel = self._student.start().channel
        channel.send({"do": what, "with": details}, seconds)
        answer = channel.receive(seconds, MOST_BYTES, tensors=False)
        if type(answer) is not dict:
            raise ProtocolError("the process answered with something that is not an answer")
        return answer

    def _ensure_student(self, but: int | None = None) -> None:
        """A living student process in which all earlier definitions have run, except those at fault."""
        while self._student.child is None and not self._spent():
            self._student.start()
            self._prepare()
            for index in [i for i in self._defined if i not in self._culprits and i != but]:
                if self._spent():
                    self._student.end()
                    break
                try:
                    self._run(index)
                except ProtocolError as error:
                    self._culprits[index] = blame(error, "this cell, run again,", self._limits.cell)
                    self._student.end()
                    break

    def _prepare(self) -> None:
        """Withhold the answers, hand over the files, before anything has run: a failure is not the learner's."""
        try:
            self._ask("withhold", PREPARE_SECONDS, operators=list(operators_fitting(self._withheld)))
            if self._files:
                files = [[name, _tensor(content)] for name, content in self._files.items()]
                self._ask("files", PREPARE_SECONDS, files=files)
        except ProtocolError as error:
            raise ZygoteError(f"a process could not be made ready: {error}") from error

    def _left(self, seconds: float) -> float:
        return min(seconds, max(self._end - time.monotonic(), 1.0))

    def _spent(self) -> bool:
        return time.monotonic() > self._end


def _answers_in_torch(notebook: NotebookNode) -> tuple[str, ...]:
    """Name patterns of all functions that are an exercise of this notebook."""
    patterns: set[str] = set()
    for cell in filter(is_grade, notebook.cells):
        with contextlib.suppress(UnknownExercise):
            patterns.update(load(exercise_name(grade_id(cell) or "")).delegates)
    return tuple(sorted(patterns))


def _tensor(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0).byte()
