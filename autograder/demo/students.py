"""A class of sample learners, each with one thing to show, and what the grader must make of it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.exercises import load
from autograder.grading.submission import Report
from autograder.notebooks.cells import grade_id, is_solution

from .answers import answer

STUB = 'raise NotImplementedError("write me")'
_CALL_TORCH = 'return F.smooth_l1_loss(pred, target, beta=beta, reduction="none")'


@dataclass(frozen=True)
class Student:
    """A learner: what is handed in, and a test of the report that says what is wrong with it (or nothing)."""

    name: str
    submission: NotebookNode | bytes
    expect: Callable[[Report], str]


def sample_class(released: NotebookNode) -> list[Student]:
    """At least twelve learners for a released lab whose exercises are in `autograder.exercises`."""
    names = [name for cell in released.cells if is_solution(cell) and (name := grade_id(cell))]
    right = {name: f"right_variants[{len(load(name).right_variants) - 1}]" for name in names}
    first = dict.fromkeys(names, "right_variants[0]")
    hard, easy, last = "roi_pool", "smooth_l1", names[-1]

    def with_answers(answers: dict[str, str], **bodies: str) -> NotebookNode:
        return _fill(released, {name: _call(name, answer) for name, answer in answers.items()} | bodies)

    students = [
        Student("ada", with_answers(right), full),
        Student("ben", copy.deepcopy(released), nothing),
        Student("ivy", _stripped(with_answers(first)), full_after_repair),
        Student("joe", with_answers(right, **{easy: _noisy(easy, right[easy])}), full),
        Student("kim", with_answers(right, **{hard: "import os\n\nos._exit(3)"}), all_but(hard, "crashed")),
        Student("leo", with_answers(right, **{easy: "while True:\n    pass"}), all_but(easy, "timed_out")),
        Student("mia", with_answers(right, **{easy: _CALL_TORCH}), all_but(easy, "delegated")),
        Student("ned", with_answers(right, **{last: "return (("}), all_but(last, "crashed")),
        Student("oli", nbformat.writes(released)[:2000].encode(), unreadable),
        Student("pam", b"%PDF-1.4 lab 5, printed", unreadable),
    ]
    for number, name in enumerate(("cas", "dot", "eli", "fay")):
        chosen = {exercise: number % len(load(exercise).misconceptions) for exercise in names}
        answers = {exercise: f"misconceptions[{index}]" for exercise, index in chosen.items()}
        expected = {exercise: load(exercise).misconceptions[index].name for exercise, index in chosen.items()}
        students.append(Student(name, with_answers(answers), diagnosed(expected)))
    return sorted(students, key=lambda student: student.name)


# --- what the grader must find ---------------------------------------------------------------------------


def full(report: Report) -> str:
    """All points."""
    return "" if report.results and report.points == report.possible else f"{report.points} points, not all"


def full_after_repair(report: Report) -> str:
    """All points, and the repairs are reported."""
    return full(report) or ("" if report.repairs else "nothing was repaired")


def nothing(report: Report) -> str:
    """No points, and every exercise counts as not attempted."""
    statuses = {result.status for result in report.results}
    return (
        "" if report.points == 0 and statuses == {"not_attempted"} else f"{report.points} points, {statuses}"
    )


def unreadable(report: Report) -> str:
    """No points, and one line that says why."""
    return "" if report.points == 0 and report.problem else "not reported as unreadable"


def all_but(exercise: str, status: str) -> Callable[[Report], str]:
    """All points except those of one exercise, which has none and this status."""

    def look(report: Report) -> str:
        wrong = {
            result.exercise: result.status for result in report.results if result.points < result.possible
        }
        lost = sum(result.points for result in report.results if result.exercise == exercise)
        return "" if wrong == {exercise: status} and lost == 0 else f"points lost by {wrong}"

    return look


def diagnosed(misconceptions: dict[str, str]) -> Callable[[Report], str]:
    """Not all points anywhere, and every misconception named."""

    def look(report: Report) -> str:
        found = {
            result.exercise: result.misconception
            for result in report.results
            if result.points < result.possible
        }
        missed = sorted(name for name in misconceptions if found.get(name) != misconceptions[name])
        return f"misconception not named in {', '.join(missed)}" if missed else ""

    return look


# --- writing submissions ---------------------------------------------------------------------------------


def _fill(released: NotebookNode, bodies: dict[str, str]) -> NotebookNode:
    """The notebook with these bodies in the place of the stubs."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        name = grade_id(cell)
        if is_solution(cell) and name in bodies:
            indented = bodies[name].replace("\n", "\n    ")
            cell.source = cell.source.replace(STUB, indented)
    return notebook


def _call(exercise: str, which: str) -> str:
    """A body that defines one of the implementations kept with the exercise, and calls it."""
    definitions, function = answer(exercise, which)
    return f"{definitions}\n\nreturn ({function})({', '.join(_parameters(exercise))})"


def _parameters(exercise: str) -> list[str]:
    return list(inspect.signature(load(exercise).oracle).parameters)


def _noisy(exercise: str, which: str) -> str:
    return f'import sys\n\nprint("deprecated, they say", file=sys.stderr)\n{_call(exercise, which)}'


def _stripped(notebook: NotebookNode) -> NotebookNode:
    """What is left when a tool keeps neither metadata nor cell ids."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata = nbformat.from_dict({})
        cell["id"] = str(number)
    return notebook
