"""The class as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from autograder.grading.result import Result
from autograder.grading.submission import Report

_SHORT = {
    "not_attempted": "not attempted",
    "delegated": "delegates",
    "crashed": "crashed",
    "timed_out": "timed out",
    "unreadable": "unreadable",
}


def class_table(reports: Sequence[Report], title: str) -> Table:
    """One row a student: points and what went wrong by exercise, total, number of repairs."""
    exercises: dict[str, float] = {}
    for report in reports:
        exercises.update({result.exercise: result.possible for result in report.results})
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("student", no_wrap=True)
    for name, possible in exercises.items():
        table.add_column(f"{name}\n(of {possible:g})", max_width=24)
    table.add_column(f"total\n(of {sum(exercises.values()):g})", justify="right", no_wrap=True)
    table.add_column("repairs", justify="right")
    for report in reports:
        results = {result.exercise: result for result in report.results}
        cells = [_cell(results.get(name)) for name in exercises]
        if report.problem and not report.results:
            cells = (
                [Text(report.problem, style="red")] + [Text("")] * (len(exercises) - 1) if exercises else []
            )
        total = f"{report.points:.1f}" if report.results else "-"
        table.add_row(report.student, *cells, total, str(len(report.repairs) or ""))
    return table


def remarks(reports: Sequence[Report]) -> list[str]:
    """One line for each repair and each problem."""
    lines = []
    for report in reports:
        lines += [f"{report.student}: {report.problem}"] if report.problem else []
        lines += [f"{report.student}: {repair}" for repair in report.repairs]
    return lines


def _cell(result: Result | None) -> Text:
    if result is None:
        return Text("-")
    points = f"{result.points:.3g}"
    if result.status == "correct":
        return Text(f"{points} ✓", style="green")
    why = result.misconception or _SHORT.get(result.status) or result.case or "incorrect"
    return Text(f"{points} {why}", style="yellow" if result.points else "red")
