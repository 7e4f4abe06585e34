"""The class as a table in the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from autograder.grading.result import Result
from autograder.grading.submission import Report
from autograder.isolation.text import plain

_WORDS = {"not_attempted": "not attempted", "delegated": "delegates", "timed_out": "timed out"}


def class_table(reports: Sequence[Report], title: str, wide: bool = True) -> Table:
    """One row a student: points by exercise and total.

    A ``wide`` table (some 120 columns) says in each cell what went wrong, and how many repairs there were; otherwise
    `remarks` does, and the exercises are numbered, with their names below the table.
    """
    exercises: dict[str, float] = {}
    for report in reports:
        exercises.update({result.exercise: result.possible for result in report.results})
    table = Table(title=title, title_justify="left", show_lines=wide)
    table.add_column("student", overflow="fold")
    for number, (name, possible) in enumerate(exercises.items(), 1):
        heading = name.replace("_", " ") if wide else f"{number}"
        table.add_column(f"{heading}\n(of {possible:g})", justify="left" if wide else "right")
    table.add_column(f"total\n(of {sum(exercises.values()):g})", justify="right", no_wrap=True)
    if wide:
        table.add_column("repairs", justify="right")
    else:
        numbered = (f"{number} {name}" for number, name in enumerate(exercises, 1))
        table.caption, table.caption_justify = ", ".join(numbered), "left"
    for report in reports:
        results = {result.exercise: result for result in report.results}
        cells = [_cell(results.get(name), wide) for name in exercises]
        total = f"{report.points:.1f}" if report.results else "-"
        repairs = [str(len(report.repairs) or "")] if wide else []
        table.add_row(Text(one_line(report.student)), *cells, total, *repairs)
    return table


def remarks(
    reports: Sequence[Report], wide: bool = True, totals: Mapping[str, float] | None = None
) -> list[str]:
    """One line for each problem and each repair; without the wide table's help, for each mistake as well.

    ``totals`` are the gradebook's, by student: where they differ from the sum of the checks, a line says so.
    """
    lines = []
    for report in reports:
        lines += [f"{report.student}: {report.problem}"] if report.problem else []
        if not wide and not report.problem:
            wrong = [result for result in report.results if result.status != "correct"]
            lines += [f"{report.student}: {result.exercise}: {_why(result)}" for result in wrong]
        lines += [f"{report.student}: repaired: {repair}" for repair in report.repairs]
        total = (totals or {}).get(report.student, report.points)
        if report.results and not math.isclose(total, report.points, abs_tol=1e-6):
            why = "manual grades and late penalties included"
            lines.append(f"{report.student}: {total:g} points count in the gradebook, {why}")
    return [one_line(line) for line in lines]


def one_line(text: str) -> str:
    """A line for the terminal, with nothing in it that would steer one: it may hold a learner's words."""
    return " ".join(plain(text, 400).split())


def _why(result: Result) -> str:
    """In a few words, what is wrong."""
    if result.status == "incorrect" and not result.misconception:
        return f"wrong: {result.case}" if result.case else "wrong"
    return result.misconception or _WORDS.get(result.status, result.status)


def _cell(result: Result | None, wide: bool) -> Text:
    if result is None:
        return Text("-")
    points = f"{result.points:.3g}"
    if result.status == "correct":
        return Text(f"{points} ✓", style="green")
    return Text(
        f"{points} {plain(_why(result), 100)}" if wide else f"{points} ✗",
        style="yellow" if result.points else "red",
    )
