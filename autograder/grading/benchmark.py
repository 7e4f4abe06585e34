"""`make bench-grading`: our grading beside stock `nbgrader autograde`, on the same submissions in one run.

Both are called as an instructor calls them, from the command line in a course's folder, and timed from outside.
Stock is nbgrader without our preprocessors: it starts a kernel for every submission, and learner and checks share it.
Each grades one submission and then the class: the difference tells what a submission costs from what a start costs.
The class is well-behaved, since a crash or a loop would cost stock its whole timeout.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode

from autograder.notebooks.cells import grade_id, is_solution
from autograder.notebooks.pairing import pair
from autograder.notebooks.release import release

from .gradebook import scores

LAB, NOTEBOOK = "05_fast_rcnn", "fast_rcnn"
PROGRAMS = Path(sys.executable).parent
LOOK_SECONDS = 2.0  # between two looks at the memory, each of which costs a tenth of a second of a core
STUB = 'raise NotImplementedError("write me")'
WRONG = {
    "smooth_l1": "return (pred - target).abs()",
    "fast_rcnn_loss": "return torch.zeros(()), torch.zeros(())",
}
STOCK = """\
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.course_id = "beyond-classification"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
c.CourseDirectory.ignore = ["*.py"]
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
c.Execute.timeout = 300
c.Execute.startup_timeout = 120
"""


@dataclass(frozen=True)
class Run:
    """One command: its wall-clock seconds, and the most memory it and its children held, in MB (proportional share)."""

    seconds: float
    peak_mb: int


def timed(command: list[str], folder: Path) -> Run:
    """Run a command in ``folder`` and watch it.

    Raises:
        RuntimeError: with the end of what it printed, when it fails.
    """
    environment = {**os.environ, "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]])}
    with tempfile.TemporaryFile() as printed:
        started, peak = time.monotonic(), 0
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _memory(process))
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(LOOK_SECONDS)
        seconds = time.monotonic() - started
        if process.returncode != 0:
            printed.seek(0)
            said = printed.read().decode(errors="replace")[-3000:]
            raise RuntimeError(f"{' '.join(command)} failed:\n{said}")
    return Run(seconds, peak // 2**20)


def _memory(process: psutil.Process) -> int:
    """Bytes held by a process and all its descendants; memory they share counts once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total


def submissions(master: NotebookNode, released: NotebookNode, count: int) -> dict[str, NotebookNode]:
    """A class by name: everybody solved all exercises but one, which is blank; every third has another one wrong."""
    solved = {
        name: _answer(cell.source) for cell in master.cells if is_solution(cell) and (name := grade_id(cell))
    }
    names = list(solved)
    handed_in = {}
    for number in range(count):
        notebook = copy.deepcopy(released)
        for cell in notebook.cells:
            name = grade_id(cell)
            if not is_solution(cell) or name not in solved or name == names[number % len(names)]:
                continue
            wrong = number % 3 == 0 and name in WRONG
            cell.source = cell.source.replace(STUB, WRONG[name]) if wrong else solved[name]
        handed_in[f"student{number:03}"] = notebook
    return handed_in


def _answer(source: str) -> str:
    """A solution cell without the marks that nbgrader cuts at."""
    return re.sub(r"^ *### (BEGIN|END) SOLUTION\n", "", source + "\n", flags=re.MULTILINE).rstrip("\n")


def make_course(root: Path, folder: Path, stock: bool) -> None:
    """A released course in ``folder``, with our configuration or with nbgrader's own."""
    shutil.copytree(root / "solutions" / LAB, folder / "solutions" / LAB)
    shutil.copy(root / "nbgrader_config.py", folder)
    release(folder, record=not stock)
    if stock:
        (folder / "nbgrader_config.py").write_text(STOCK.format(root=str(folder), stub=STUB))
        timed([str(PROGRAMS / "nbgrader"), "generate_assignment", LAB, "--force"], folder)


def hand_in(folder: Path, notebooks: dict[str, NotebookNode]) -> None:
    """Write submitted/STUDENT/LAB."""
    for student, notebook in notebooks.items():
        place = folder / "submitted" / student / LAB
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{NOTEBOOK}.ipynb")


def compare(root: Path, scratch: Path, count: int, jobs: int) -> dict[str, float | int]:
    """Grade one submission and then the class, both ways.

    Returns:
        ``stock_s`` and ``ours_s``: seconds for each further submission (ours writes the feedback, too); their
        ``ratio``; ``setup_s`` and ``stock_setup_s``: what a run takes apart from that, once; ``whole_ratio``: of the
        two whole runs; ``peak_mb`` of ours and ``stock_peak_mb``; ``submissions``; ``different``: learners whose
        grades are not the same.
    """
    ours, stock = (scratch / "ours", scratch / "ours_alone"), (scratch / "stock", scratch / "stock_alone")
    for folder in (*ours, *stock):
        make_course(root, folder, stock=folder in stock)
    released = nbformat.read(ours[0] / "labs" / LAB / f"{NOTEBOOK}.ipynb", as_version=4)
    handed_in = submissions(pair(root / "solutions" / LAB / f"{NOTEBOOK}.py"), released, count)
    for whole, alone in (ours, stock):
        hand_in(whole, handed_in)
        hand_in(alone, dict(list(handed_in.items())[:1]))

    print("ours: one submission, then the class", flush=True)
    grade = [str(PROGRAMS / "autograder"), "grade", LAB, "--jobs", str(jobs)]
    ours_one, ours_run = timed(grade, ours[1]), timed(grade, ours[0])
    print(f"{ours_run.seconds:.1f} s; now stock, about {count * 6 / 60:.0f} minutes", flush=True)
    autograde = [str(PROGRAMS / "nbgrader"), "autograde", LAB]
    stock_one, stock_run = timed(autograde, stock[1]), timed(autograde, stock[0])

    ours_s, stock_s = _each(ours_one, ours_run, count), _each(stock_one, stock_run, count)
    mine, theirs = scores(ours[0], LAB), scores(stock[0], LAB)
    return {
        "stock_s": round(stock_s, 3),
        "ours_s": round(ours_s, 3),
        "ratio": round(stock_s / ours_s, 1),
        "setup_s": round(max(ours_one.seconds - ours_s, 0.0), 2),
        "stock_setup_s": round(max(stock_one.seconds - stock_s, 0.0), 2),
        "whole_ratio": round(stock_run.seconds / ours_run.seconds, 1),
        "peak_mb": ours_run.peak_mb,
        "stock_peak_mb": stock_run.peak_mb,
        "submissions": count,
        "different": sum(mine.get(student) != theirs.get(student) for student in handed_in),
    }


def _each(one: Run, whole: Run, count: int) -> float:
    """Seconds for each submission but the first."""
    return (whole.seconds - one.seconds) / (count - 1)


def main() -> None:
    """Compare, print, and write build/bench_grading.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--submissions", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=Path("build/bench_grading.json"))
    options = parser.parse_args()
    if options.submissions < 2:
        parser.error("--submissions must be at least 2: one is graded alone, to tell what the start costs")
    with tempfile.TemporaryDirectory(prefix="bench-grading-", ignore_cleanup_errors=True) as scratch:
        found = compare(Path().resolve(), Path(scratch), options.submissions, options.jobs)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=2) + "\n")
    for key, value in found.items():
        print(f"{key:14} {value}")


if __name__ == "__main__":
    main()
