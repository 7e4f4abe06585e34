"""A class from outside: what is handed in, `autograder grade` as a process, and everything that it left behind."""

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from autograder.grading.batch import journal_path
from autograder.grading.gradebook import scores
from autograder.isolation import linux
from autograder.notebooks.cells import NOTE

LAB = "03_boxes"
STUB = 'raise NotImplementedError("write me")'
ANSWERS = [
    {},  # all right
    {"smooth_l1": "return pred"},
    {"smooth_l1": "import os; os._exit(1)"},
    {"xyxy_to_cxcywh": STUB, "smooth_l1": STUB, "cxcywh_to_xyxy": STUB},
    {"xyxy_to_cxcywh": "return boxes + undefined"},
]
PR_SET_CHILD_SUBREAPER = 36
LONG_WAIT = 240  # seconds; for what takes a few on a machine with nothing else to do


def hand_in_class(course, submission, hand_in, size):
    """Right, wrong, crashing and blank submissions in turn, and one that is no notebook."""
    for number in range(size - 1):
        hand_in(course, f"student{number:02}", submission(**ANSWERS[number % len(ANSWERS)]))
    hand_in(course, "unreadable", b"%PDF-1.4")


@dataclass(frozen=True)
class State:
    """All that grading has made of a class, without what differs from run to run (durations, the run's name)."""

    scores: dict[str, dict[str, float]]
    autograded: dict[str, Any]
    feedback: dict[str, bytes]
    files: set[str]


def state_of(course: Path) -> State:
    """Everything in the course as it is now."""
    graded = _contents(course / "autograded")
    return State(
        scores(course, LAB),
        {name: _without_times(json.loads(text)) for name, text in graded.items()},
        _contents(course / "feedback"),
        {str(path.relative_to(course)) for path in course.rglob("*")},
    )


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _without_times(notebook: Any) -> Any:
    for key in ("run", "seconds"):
        notebook["metadata"][NOTE].pop(key, None)
    for cell in notebook["cells"]:
        cell["metadata"].get(NOTE, {}).pop("duration", None)
    return notebook


def durations(notebook: Any) -> list[float]:
    """How long each check took: no two executions of a notebook agree in all of them."""
    return [cell["metadata"][NOTE]["duration"] for cell in notebook["cells"] if NOTE in cell["metadata"]]


def recorded(course: Path) -> dict[str, tuple[int, int]]:
    """By student, which file the graded notebook is, and when it was written."""
    found = {}
    for path in (course / "autograded").glob(f"*/{LAB}/boxes.ipynb"):
        found[path.parts[-3]] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def results_written(course: Path) -> int:
    """How many results are in the journal, -1 without one."""
    try:
        return journal_path(course, LAB).read_bytes().count(b"\n") - 1
    except OSError:
        return -1


def written_down(course: Path) -> list[Any]:
    """The journal's results; a last line that is torn is none."""
    try:
        lines = journal_path(course, LAB).read_bytes().split(b"\n")[1:-1]
    except OSError:
        return []
    return [json.loads(line) for line in lines]


class Grading:
    """`autograder grade LAB` in a process group of its own, as a shell starts it."""

    def __init__(self, course: Path, *options: str, **environment: str) -> None:
        """Start it; ``options`` are its own."""
        self._course = course
        self._log = course.parent / "grade.log"
        command = [str(Path(sys.executable).with_name("autograder")), "grade", LAB, *options]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=course,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait(self, seconds: float = LONG_WAIT) -> int:
        """Its exit code."""
        return self.process.wait(seconds)

    def __enter__(self) -> "Grading":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


class Descendants:
    """All processes started within the block. Orphans are found as well: this process becomes their parent."""

    def __enter__(self) -> "Descendants":
        linux.prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._before = set(psutil.Process().children(recursive=True))
        return self

    def __exit__(self, *_: object) -> None:
        linux.prctl(PR_SET_CHILD_SUBREAPER, 0)
        for process in self._new():
            with contextlib.suppress(ChildProcessError, psutil.Error):
                os.waitpid(process.pid, os.WNOHANG)  # an orphan that has ended

    def left(self, seconds: float = 60) -> list[psutil.Process]:
        """Those that have not ended by then."""
        deadline = time.monotonic() + seconds
        while (
            living := [process for process in self._new() if _lives(process)]
        ) and time.monotonic() < deadline:
            time.sleep(0.1)
        return living

    def _new(self) -> set[psutil.Process]:
        return set(psutil.Process().children(recursive=True)) - self._before


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
