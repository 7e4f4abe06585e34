"""Grading a class on the screen: a line for each submission as it comes, how far it is, the table at the end."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from autograder.grading.batch import DEFAULT, Options, grade
from autograder.grading.submission import Report

from .class_table import class_table, one_line, remarks

WARNINGS = 10  # lines at most


def grade_with_progress(
    root: Path,
    lab: str,
    console: Console,
    students: Sequence[str],
    options: Options = DEFAULT,
) -> list[Report]:
    """`grade`, with a line for each submission as it comes.

    Raises:
        Stopped: by Ctrl-C or SIGTERM. See `grade` for the others.
    """
    started = time.monotonic()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar, stop_signals() as stopped:
        task = bar.add_task(f"grading {lab}", total=len(students), rate="")
        graded = 0

        def say(report: Report, resumed: bool) -> None:
            nonlocal graded
            graded += not resumed
            what = "graded before" if resumed else f"{report.seconds:5.1f} s"
            text = report.problem or f"{report.points:5.1f} of {report.possible:g} points"
            seconds = time.monotonic() - started
            console.print(
                f"  {seconds:5.0f} s  {one_line(report.student):<12} {what}  {one_line(text)}",
                highlight=False,
                markup=False,
            )
            bar.update(task, advance=1, rate=f"{graded / seconds:.1f} a second" if graded else "")

        def note(text: str) -> None:
            console.print(text, style="yellow", markup=False)

        return grade(root, lab, students, options, say, note, stopped)


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within it Ctrl-C and SIGTERM end nothing by themselves; the function given says whether one came."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop.is_set
        return

    def ask(number: int, frame: Any) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def warn(lines: Sequence[str], console: Console) -> None:
    """What the instructor should look at before anything is graded."""
    for line in lines[:WARNINGS]:
        console.print(one_line(line), style="yellow", highlight=False, markup=False)
    if len(lines) > WARNINGS:
        console.print(f"and {len(lines) - WARNINGS} more like that", style="yellow", highlight=False)


def show(reports: list[Report], console: Console, title: str, totals: Mapping[str, float]) -> None:
    """The class table and the remarks below it. ``totals`` are the gradebook's, by student."""
    wide = console.width >= 118
    console.print(class_table(reports, title, wide))
    for line in remarks(reports, wide, totals):
        console.print(f"  {line}", highlight=False, markup=False)
