"""`autograder demo`: the course from its data to the instructor's grade table."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
from rich.console import Console

from autograder.grading.batch import Options
from autograder.grading.gradebook import scores, totals
from autograder.grading.submission import Report
from autograder.isolation import jail
from autograder.notebooks.pairing import pair
from autograder.notebooks.release import release
from autograder.reporting.progress import grade_with_progress, show

from .lab import LabFailed, execute_lab, printed, save
from .students import Student, sample_class

LAB = "05_fast_rcnn"
NOTEBOOK = "fast_rcnn"
LEAST_MAP = 65.0  # percent, after the full training
SEED = "7"  # the instructor's secret in the demo, so that every run gives the same grades


def run_demo(root: Path, console: Console, jobs: int = 2, steps: tuple[int, ...] = (1, 2, 3)) -> list[str]:
    """Run the demo of the course in ``root``; everything it writes goes to build/demo (data: the user's cache).

    Returns:
        one line for each thing that did not turn out as it must; empty when all is well.
    """
    build = root / "build" / "demo"
    build.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    if 1 in steps:
        started = time.monotonic()
        console.rule("1 of 3: the data", align="left")
        _data()
        console.print(f"950 farm scenes are in the cache ({time.monotonic() - started:.0f} s)")
    if 2 in steps:
        console.rule("2 of 3: lab 5, solved, from its first cell to its last", align="left")
        wrong += _lab(root, build, console)
    if 3 in steps:
        started = time.monotonic()
        console.rule("3 of 3: a class hands in lab 5", align="left")
        wrong += _class(root, build, console, jobs)
        console.print(f"({time.monotonic() - started:.0f} s)")
    return wrong


def _data() -> None:
    from detseg.data.farm import FarmScenes

    FarmScenes.train()
    FarmScenes.test()


def _lab(root: Path, build: Path, console: Console) -> list[str]:
    from detseg.data.farm.cache import cache_folder

    # A cache of the demo's own: no learner's training is resumed or overwritten.
    cache = build / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    shutil.copytree(cache_folder(), cache, ignore=shutil.ignore_patterns("*.pt"))
    threads = str(min(2, os.cpu_count() or 1))
    environment = {"DETSEG_CACHE": str(cache), "OMP_NUM_THREADS": threads, "AUTOGRADER_SEED": SEED}
    notebook = pair(root / "solutions" / LAB / f"{NOTEBOOK}.py")
    try:
        notebook, seconds = execute_lab(notebook, build, environment, console)
    except LabFailed as error:
        return [f"the solved lab: {error}"]
    finally:
        save(notebook, build / "fast_rcnn_solved.ipynb")
    console.print(f"{printed(notebook, 'mAP at IoU')} ({seconds:.0f} s)", highlight=False)
    console.print(f"look at {_short(build, root)}/fast_rcnn_solved.html", highlight=False)
    if cut := printed(notebook, "out of time"):
        console.print(
            f"the training did not reach its end: {cut}; this machine is slow or busy", style="yellow"
        )
        return []
    reached = float(printed(notebook, "mAP at IoU").rpartition(" ")[2].rstrip("%"))
    return [] if reached >= LEAST_MAP else [f"the detector reached an mAP of {reached} %, not {LEAST_MAP} %"]


def _class(root: Path, build: Path, console: Console, jobs: int) -> list[str]:
    course = build / "course"
    shutil.rmtree(course, ignore_errors=True)
    shutil.copytree(root / "solutions" / LAB, course / "solutions" / LAB)
    shutil.copy(root / "nbgrader_config.py", course)
    release(course)
    released = nbformat.read(course / "labs" / LAB / f"{NOTEBOOK}.ipynb", as_version=4)
    students = sample_class(released)
    for student in students:
        _hand_in(course, student)
    console.print(f"lab 5 is released; {len(students)} learners handed in")
    if reason := jail.problem():
        console.print(
            f"This machine allows no jail ({reason}): the sample class, which we wrote ourselves, is graded WITHOUT "
            "one. Real submissions would be refused; docs/security.md says what is needed.",
            style="yellow",
        )
    before = os.environ.get("AUTOGRADER_SEED")
    os.environ["AUTOGRADER_SEED"] = SEED
    try:
        reports = grade_with_progress(
            course, LAB, console, [student.name for student in students], Options(jobs, unsafe=bool(reason))
        )
    finally:
        os.environ.pop("AUTOGRADER_SEED")
        if before is not None:
            os.environ["AUTOGRADER_SEED"] = before
    show(reports, console, "Lab 5: the class", totals(course, LAB))
    where = _short(course, root)
    jupyter = Path(sys.executable).with_name("jupyter")
    console.print(f"\nIn the browser: cd {where} && {jupyter} lab", highlight=False)
    console.print("then the menu Nbgrader > Formgrader", highlight=False)
    console.print(f"What a learner gets: {where}/feedback/cas/{LAB}/{NOTEBOOK}.html", highlight=False)
    return _verdict(course, students, reports)


def _hand_in(course: Path, student: Student) -> None:
    folder = course / "submitted" / student.name / LAB
    folder.mkdir(parents=True)
    path = folder / f"{NOTEBOOK}.ipynb"
    if isinstance(student.submission, bytes):
        path.write_bytes(student.submission)
    else:
        nbformat.write(student.submission, path)


def _verdict(course: Path, students: list[Student], reports: list[Report]) -> list[str]:
    """Is every grade what it must be, in the reports and in nbgrader's gradebook?"""
    wrong = []
    kept = scores(course, LAB)
    for student, report in zip(students, reports, strict=True):
        if problem := student.expect(report):
            wrong.append(f"{student.name}: {problem}")
        if kept.get(student.name) != {result.exercise: result.points for result in report.results}:
            wrong.append(f"{student.name}: the gradebook says {kept.get(student.name)}")
        if not (course / "feedback" / student.name / LAB / f"{NOTEBOOK}.html").is_file():
            wrong.append(f"{student.name}: no feedback was written")
    return wrong


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root))
