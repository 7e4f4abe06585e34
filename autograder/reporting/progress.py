"""Grading a class on the screen: a line for each submission as it comes, the table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from autograder.grading.batch import grade
from autograder.grading.submission import Report

from .class_table import class_table, remarks


def grade_with_progress(
    root: Path,
    lab: str,
    console: Console,
    jobs: int = 2,
    students: Iterable[str] | None = None,
    force: bool = False,
    unsafe: bool = False,
) -> list[Report]:
    """`grade`, with a line for each submission as it comes."""
    started = time.monotonic()

    def say(report: Report, resumed: bool) -> None:
        what = "graded before" if resumed else f"{report.seconds:5.1f} s"
        text = report.problem or f"{report.points:5.1f} of {report.possible:g} points"
        console.print(
            f"  {time.monotonic() - started:5.0f} s  {report.student:<12} {what}  {text}", highlight=False
        )

    with console.status("grading"):
        return grade(root, lab, students, jobs, force, unsafe, on_report=say)


def show(reports: list[Report], console: Console, title: str) -> None:
    """The class table and the remarks below it."""
    wide = console.width >= 118
    console.print(class_table(reports, title, wide))
    for line in remarks(reports, wide):
        console.print(f"  {line}", highlight=False)
