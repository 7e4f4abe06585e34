"""Grading a class: one writer, workers beside it, a journal that a stopped run goes on from."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.notebooks.cells import NOTE

from .course_lock import course_lock
from .gradebook import LabWriter, open_course
from .gradebook.submissions import Sanitised
from .graders import require_jail
from .journal import Entry, Journal, Plan
from .selection import students_of
from .submission import Report, digest_of, is_graded, report_of
from .task import Done, Task, Work, as_notebook, as_text
from .workers import Workers

POLL_SECONDS = 0.2
_Sanitised = dict[str, Sanitised]  # by the notebook's name


class Stopped(Exception):
    """The run was stopped from outside; ``done`` of ``all`` submissions are graded."""

    def __init__(self, done: int, of: int) -> None:
        """Say how far it came."""
        super().__init__(f"stopped after {done} of {of}")
        self.done, self.of = done, of


@dataclass(frozen=True)
class Options:
    """How to grade.

    ``jobs``: submissions at a time on this machine. ``force``: also grade again what has not changed. ``resume``: go
    on with the run that was stopped. ``unsafe``: without a jail. ``scheduler``: a Dask scheduler's address. ``gpu``:
    only on workers with the resource GPU. ``wait_seconds``: how long to wait for a worker when there is none.
    """

    jobs: int = 2
    force: bool = False
    resume: bool = False
    unsafe: bool = False
    scheduler: str | None = None
    gpu: bool = False
    wait_seconds: float = 60.0


DEFAULT = Options()


def journal_path(root: Path, lab: str) -> Path:
    """Where the journal of a lab is kept."""
    return root / ".autograder" / lab / "journal.jsonl"


def grade(
    root: Path,
    lab: str,
    students: Iterable[str] | None = None,
    options: Options = DEFAULT,
    on_report: Callable[[Report, bool], None] = lambda report, resumed: None,
    on_note: Callable[[str], None] = lambda note: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Report]:
    """Grade the submissions of a lab and write their feedback.

    Args:
        root: the course's folder.
        lab: the lab's name, as in submitted/STUDENT/LAB.
        students: who; by default everyone who handed in.
        options: how.
        on_report: called with each report as it comes, and whether it was there already.
        on_note: called with what there is to say about the run as a whole.
        stopped: asked again and again; when it says yes, `Stopped` is raised, and the run can be resumed.

    Returns:
        the reports in the order of the students. A submission that cannot be graded has a ``problem``; it never stops
        the others.

    Raises:
        NoJail: this machine (or a worker's) allows none, and ``unsafe`` was not asked for.
        Locked: another run is at work on this course.
        JournalError: the course's folder cannot be written; what is written down is not lost.
        WorkersError: there are no workers.
        ValueError: the lab was not released.
        Stopped: see ``stopped``.
    """
    if not (options.unsafe or options.scheduler):
        require_jail()
    with course_lock(root / ".autograder" / "lock"):
        return _Run(root, lab, students, options, on_note).grade(on_report, stopped)


class _Run:
    """One run: what is planned, written down, recorded."""

    def __init__(
        self,
        root: Path,
        lab: str,
        students: Iterable[str] | None,
        options: Options,
        on_note: Callable[[str], None],
    ) -> None:
        self._root, self._lab, self._options = root, lab, options
        self._reports: dict[str, Report] = {}
        self._course = open_course(root, lab)
        self._unrecorded = 0
        path = journal_path(root, lab)
        earlier = Journal.resume(path)
        if options.resume and earlier is not None:
            self._journal = earlier
            if left_out := _left_out(set(students_of(root, lab)) - set(earlier.plan.students)):
                on_note(left_out)
            self._writer = LabWriter(root, lab, earlier.plan.run)
        else:
            if earlier is not None:
                earlier.close()
            if about := _about(earlier, options.resume):
                on_note(about)
            chosen = students_of(root, lab) if students is None else list(students)
            digests = {student: digest_of(self._submitted(student)) for student in chosen}
            plan = Plan(secrets.token_hex(8), lab, digests, options.force)
            self._writer = LabWriter(root, lab, plan.run)
            self._journal = Journal.start(path, plan)
        self._plan = self._journal.plan
        self._unsafe = options.unsafe or self._writer.unsafe

    def _submitted(self, student: str) -> Path:
        return self._course.path("submitted", student, self._lab)

    def _is_recorded(self, student: str) -> bool:
        """Whether this run has nothing more to do for a student."""
        if student not in self._writer.entered:  # it was another gradebook, or is taken out of it
            return False
        graded = self._course.path("autograded", student, self._lab)
        return is_graded(self._submitted(student), graded, self._plan.run if self._plan.force else None)

    def grade(self, on_report: Callable[[Report, bool], None], stopped: Callable[[], bool]) -> list[Report]:
        """Everything that is to be done."""

        def report(found: Report, resumed: bool = False) -> None:
            self._reports[found.student] = found
            on_report(found, resumed)

        try:
            waiting = []
            for student in self._plan.students:
                if self._is_recorded(student):
                    report(self._complete(student), True)
                elif entry := self._written_down(student):
                    report(self._record(entry.done))
                else:
                    waiting.append(student)
                self._stop_if(stopped)
            if waiting:
                self._execute(waiting, report, stopped)
        except BaseException:
            self._journal.close()
            raise
        if self._unrecorded:
            self._journal.close()
        else:
            self._journal.finish()
        return [self._reports[student] for student in self._plan.students]

    def _written_down(self, student: str) -> Entry | None:
        """What the journal has of the submission as it is now."""
        entry = self._journal.entries.get(student)
        return entry if entry is not None and entry.digest == digest_of(self._submitted(student)) else None

    def _stop_if(self, stopped: Callable[[], bool]) -> None:
        if stopped():
            raise Stopped(len(self._reports), len(self._plan.students))

    def _execute(
        self, waiting: list[str], report: Callable[[Report], None], stopped: Callable[[], bool]
    ) -> None:
        """Sanitise and record here, execute on the workers."""
        options = self._options
        queue = list(reversed(waiting))
        at_work: dict[str, _Sanitised] = {}
        where = (options.jobs, options.scheduler, options.gpu, options.wait_seconds)
        with Workers(*where, self._lab, self._unsafe) as workers:
            while queue or at_work:
                self._stop_if(stopped)
                if queue and workers.room > 0:
                    student = queue.pop()
                    try:
                        sanitised = self._writer.prepare(student)
                    except Exception as error:
                        report(Report(student, problem=f"could not be graded: {_line(error)}"))
                        continue
                    if any(not one.unreadable for one in sanitised.values()):
                        at_work[student] = sanitised
                        workers.submit(self._task(student, sanitised))
                    else:
                        report(self._keep(sanitised, Done(student, {})))
                for done in workers.poll(0.0 if queue and workers.room > 0 else POLL_SECONDS):
                    report(self._keep(at_work.pop(done.student), done))

    def _task(self, student: str, sanitised: _Sanitised) -> Task:
        """What a worker is to execute of a submission."""
        work = {
            name: Work(as_text(one.notebook), one.seed, one.files)
            for name, one in sanitised.items()
            if not one.unreadable
        }
        return Task(student, self._lab, work, self._writer.limits, self._unsafe)

    def _keep(self, sanitised: _Sanitised, done: Done) -> Report:
        """Write a result down, then record it. A problem is not written down: it may be gone the next time."""
        if done.problem is not None:
            return Report(done.student, problem=f"could not be graded: {done.problem}")
        unreadable = {name: as_text(one.notebook) for name, one in sanitised.items() if one.unreadable}
        done = replace(done, notebooks=unreadable | done.notebooks)
        digest = next(iter(sanitised.values())).notebook.metadata[NOTE]["submission"]
        self._journal.append(digest, done)
        return self._record(done)

    def _record(self, done: Done) -> Report:
        try:
            notebooks = {name: as_notebook(text) for name, text in done.notebooks.items()}
            return self._writer.record(done.student, notebooks, done.seconds)
        except Exception as error:
            return self._not_recorded(done.student, error)

    def _complete(self, student: str) -> Report:
        """What is recorded, with its feedback."""
        try:
            self._writer.complete(student)
        except Exception as error:
            return self._not_recorded(student, error)
        return report_of(student, self._course.path("autograded", student, self._lab))

    def _not_recorded(self, student: str, error: Exception) -> Report:
        self._unrecorded += 1
        problem = f"graded, but not recorded ({_line(error)}): when that is mended, go on with --resume"
        return Report(student, problem=problem)


def _about(earlier: Journal | None, resume: bool) -> str:
    """What to say of the run before, which is not gone on with."""
    if resume:
        return "no earlier run was stopped: grading what is not graded"
    if earlier is not None:
        came = f"{len(earlier.entries)} of {len(earlier.plan.students)}"
        return f"an earlier run stopped after {came} (--resume goes on with it); this is a new one"
    return ""


def _left_out(students: set[str]) -> str:
    """What to say of those who are not part of the run that is gone on with."""
    if not students:
        return ""
    more = f" and {len(students) - 3} more" if len(students) > 3 else ""
    return f"not part of the run that was stopped: {', '.join(sorted(students)[:3])}{more}"


def _line(error: Exception) -> str:
    """An error in one line; a ValueError is one of ours, which says all in its message."""
    name = "" if type(error) is ValueError else f"{type(error).__name__}: "
    return (f"{name}{error}".splitlines() or [""])[0]
