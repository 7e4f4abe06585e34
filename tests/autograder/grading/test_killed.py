"""kill -9 of the writer, a worker or a warm process at random moments: afterwards everything is as without it.

The short form kills at 4 moments while a class of 6 is graded, the long form (AUTOGRADER_LONG=1) at 50, a class of 30.
"""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from graded_class import (
    LAB,
    Descendants,
    Grading,
    State,
    durations,
    hand_in_class,
    recorded,
    results_written,
    state_of,
    written_down,
)

from autograder.grading.batch import journal_path
from autograder.isolation import jail

LONG = bool(os.environ.get("AUTOGRADER_LONG"))
SIZE, SESSIONS = (30, 5) if LONG else (6, 1)
# of one session, in any order
VICTIMS = (
    4 * ["writer"] + 3 * ["worker"] + 3 * ["zygote"] if LONG else ["writer", "writer", "worker", "zygote"]
)

needs_jail = pytest.mark.skipif(bool(jail.problem()), reason=f"no jail on this machine: {jail.problem()}")


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: what it made, and seconds from its start to its journal, each result, its end."""

    state: State
    times: list[float]


@pytest.fixture(scope="module")
def handed_in(fresh_boxes_course, submission, hand_in, tmp_path_factory):
    """A class that is not graded. Never changed."""
    course = tmp_path_factory.mktemp("handed_in") / "course"
    shutil.copytree(fresh_boxes_course, course)
    hand_in_class(course, submission, hand_in, SIZE)
    (course / "gradebook.db.seed").write_text("the same hidden cases for all")
    return course


@pytest.fixture(scope="module")
def undisturbed(handed_in, tmp_path_factory):
    course = tmp_path_factory.mktemp("undisturbed") / "course"
    shutil.copytree(handed_in, course)
    started, times = time.monotonic(), []
    with Grading(course) as grading:
        journal = journal_path(course, LAB)
        while grading.runs:
            while journal.exists() and len(times) <= results_written(course):
                times.append(time.monotonic() - started)
            time.sleep(0.02)
    times += [time.monotonic() - started] * (SIZE + 2 - len(times))  # what came too fast to be seen
    assert grading.wait() == 0, grading.said
    state = state_of(course)
    assert len(state.scores) == len(state.autograded) == len(state.feedback) == SIZE
    assert len({str(scores) for scores in state.scores.values()}) > 3
    return Reference(state, times)


@dataclass(frozen=True)
class Moment:
    """``delay`` seconds after the journal has so many results; or ``early`` seconds after the start of a run."""

    victim: str
    results: int
    delay: float
    early: float | None

    @classmethod
    def draw(
        cls, rng: random.Random, victim: str, stratum: tuple[float, float], times: list[float]
    ) -> "Moment":
        """One in the part of the run between two shares of its results; every fourth may fall into a start-up."""
        results = int(rng.uniform(*stratum) * SIZE)
        delay = rng.uniform(0, times[results + 1] - times[results])
        return cls(victim, results, delay, rng.uniform(0, times[1]) if rng.random() < 0.25 else None)


def come(moment: Moment, grading: Grading, course: Path, started: bool) -> psutil.Process | None:
    """Wait for a moment; its victim, or None if the run ended before."""
    find: dict[str, Callable[[], list[psutil.Process]]] = {
        "writer": lambda: [psutil.Process(grading.process.pid)],
        "worker": lambda: workers(grading),
        "zygote": lambda: zygotes(grading),
    }
    if moment.early is not None and not started:
        time.sleep(moment.early)
    else:
        while grading.runs and results_written(course) < moment.results:
            time.sleep(0.02)
        time.sleep(moment.delay)
    while grading.runs:
        try:
            if found := find[moment.victim]():
                return random.Random(moment.delay).choice(found)
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.02)
    return None


def workers(grading):
    children = psutil.Process(grading.process.pid).children()
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def zygotes(grading):
    """Those in the jails and those that keep them; not their children, in which submissions run."""
    outer = [
        process
        for worker in workers(grading)
        for process in worker.children()
        if "autograder.isolation.zygote" in process.cmdline()
    ]
    return outer + [process for one in outer for process in one.children()]


@pytest.fixture
def family():
    with Descendants() as family:
        yield family


@pytest.mark.slow
@pytest.mark.timeout(3600)
@needs_jail
@pytest.mark.parametrize("seed", range(SESSIONS))
def test_killed_again_and_again(seed, handed_in, undisturbed, family, tmp_path):
    """One class, graded to its end by as many runs as it takes."""
    course = tmp_path / "course"
    shutil.copytree(handed_in, course)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    rng = random.Random(seed)
    victims = rng.sample(VICTIMS, len(VICTIMS))
    moments = [
        Moment.draw(rng, victim, (index / len(victims), (index + 1) / len(victims)), undisturbed.times)
        for index, victim in enumerate(victims)
    ]
    print(f"seed {seed}, class of {SIZE}:")
    files, executed, killed, runs, code = {}, {}, 0, 0, None
    while code != 0:
        runs += 1
        with Grading(course, *(["--resume"] if runs > 1 else []), TMPDIR=str(scratch)) as grading:
            failed = 0  # machines within this run
            while moments and (victim := come(moments[0], grading, course, failed > 0)):
                victim.kill()
                print(f"  run {runs}, process {victim.pid}: {moments[0]}")
                killed += 1
                if moments.pop(0).victim == "writer":
                    break
                failed += 1
            code = grading.wait()
        print(grading.said)
        assert "Traceback" not in grading.said
        if code not in (
            0,
            -signal.SIGKILL,
        ):  # then it failed twice for one submission, which the next run grades
            assert failed > 1
            assert "the machine failed to run it, twice" in grading.said
        assert not family.left()
        found = recorded(course)
        assert found | files == found, "what was recorded was touched"
        files = found
        entries = [entry["done"] for entry in written_down(course)]
        assert len({done["student"] for done in entries}) == len(entries), "graded twice"
        for done in entries:
            assert executed.setdefault(done["student"], done) == done, "graded again"
    print(
        f"  {killed} of {len(victims)} killed, {runs} runs, left: {[path.name for path in scratch.rglob('*')][:20]}"
    )
    assert killed
    assert state_of(course) == undisturbed.state
    for student, done in executed.items():
        graded = json.loads((course / "autograded" / student / LAB / "boxes.ipynb").read_text())
        assert durations(graded) == durations(json.loads(done["notebooks"]["boxes"])), student
