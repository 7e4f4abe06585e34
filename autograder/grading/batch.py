"""Grading a class: one writer, a few submissions side by side, each on its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from .execute import execute_kept_warm
from .gradebook import SubmissionGrader, generate_feedback, open_course
from .gradebook.submissions import Sanitised
from .graders import WarmGraders, require_jail
from .submission import Report, is_graded, report_of


def students_of(root: Path, lab: str) -> list[str]:
    """Everyone with a folder submitted/STUDENT/LAB."""
    submitted = Path(open_course(root).coursedir.format_path("submitted", "", ""))
    return sorted(folder.parent.name for folder in submitted.glob(f"*/{lab}") if folder.is_dir())


def grade(
    root: Path,
    lab: str,
    students: Iterable[str] | None = None,
    jobs: int = 2,
    force: bool = False,
    unsafe: bool = False,
    on_report: Callable[[Report, bool], None] = lambda report, resumed: None,
) -> list[Report]:
    """Grade the submissions of a lab and write their feedback.

    Args:
        root: the course's folder.
        lab: the lab's name, as in submitted/STUDENT/LAB.
        students: who; by default everyone who handed in.
        jobs: submissions at a time.
        force: also grade again what is graded already and has not changed.
        unsafe: without a jail.
        on_report: called with each report as it comes, and whether it was there already.

    Returns:
        the reports in the order of the students. A submission that cannot be graded has a ``problem``; it never stops
        the others.

    Raises:
        NoJail: this machine allows none, and ``unsafe`` was not asked for.
    """
    if not unsafe:
        require_jail()
    chosen = students_of(root, lab) if students is None else list(students)
    reports: dict[str, Report] = {}
    waiting = []
    for student in chosen:
        course = open_course(root, lab, student)
        graded = course.path("autograded", student, lab)
        if not force and is_graded(course.path("submitted", student, lab), graded):
            reports[student] = report_of(student, graded)
            on_report(reports[student], True)
        else:
            waiting.append(student)
    for report in _grade(root, lab, waiting, jobs, unsafe):
        if report.results:
            generate_feedback(root, lab, report.student)
        reports[report.student] = report
        on_report(report, False)
    return [reports[student] for student in chosen]


def _grade(root: Path, lab: str, students: list[str], jobs: int, unsafe: bool) -> Iterable[Report]:
    """Sanitise and record in this thread (the only writer), execute in ``jobs`` others."""
    stop = threading.Event()
    warm = WarmGraders()
    queue = list(students)
    running: dict[Future[float], tuple[SubmissionGrader, list[Sanitised]]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while queue or running:
                while queue and len(running) < jobs:
                    student = queue.pop(0)
                    try:
                        grader = SubmissionGrader(root, lab, student)
                        sanitised = grader.prepare()
                    except Exception as error:
                        yield Report(student, problem=_line(error))
                        continue
                    running[pool.submit(_execute, warm, unsafe, grader, sanitised, stop.is_set)] = (
                        grader,
                        sanitised,
                    )
                done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    grader, sanitised = running.pop(future)
                    try:
                        yield grader.finish(sanitised, future.result())
                    except Exception as error:
                        yield Report(grader.student, problem=_line(error))
        finally:
            stop.set()
            warm.close()


def _execute(
    warm: WarmGraders,
    unsafe: bool,
    grader: SubmissionGrader,
    sanitised: list[Sanitised],
    stopped: Callable[[], bool],
) -> float:
    started = time.monotonic()
    for one in sanitised:
        if not one.unreadable:
            one.notebook, _ = execute_kept_warm(
                one.notebook, warm, grader.lab, unsafe,
                seed=one.seed, limits=grader.limits, files=one.files, stopped=stopped,
            )  # fmt: skip
    return time.monotonic() - started


def _line(error: Exception) -> str:
    return f"could not be graded: {type(error).__name__}: {error}".splitlines()[0]
