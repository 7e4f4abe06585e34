"""Run an exercise's cases, visible or all, and make an outcome of what happened."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..exercises import Case, Exercise, Family, Mismatch, names
from .answer import Answer, answer
from .compare import find_mismatch
from .delegation import CallWatch
from .diagnosis import Observed, diagnose
from .outcome import FamilyResult, Outcome, Status
from .time_limit import TimeLimitExceeded

SECONDS = 5.0  # for one case
DEVICE_FAMILY = "on a GPU" if torch.cuda.is_available() else "on a pretended GPU"


def examine(
    exercise: Exercise, function: Callable[..., Any], *, hidden: bool, seed: int, delegation: bool = True
) -> Outcome:
    """The outcome of ``function`` on the cases drawn from ``seed``.

    ``delegation=False`` lets the library's own reference through.
    """
    run = _run(exercise, function, hidden, seed, delegation)
    if run.delegated:
        return Outcome(
            exercise.name,
            "delegated",
            0.0,
            exercise.points,
            _delegated(exercise, run.delegated),
            seed=seed,
            hidden=hidden,
        )
    points = _points(exercise, run.families)
    if run.first is None:
        return Outcome(
            exercise.name,
            "correct",
            points,
            exercise.points,
            _praise(exercise.name, hidden),
            seed=seed,
            hidden=hidden,
            families=run.families,
        )
    status = _status(exercise, run.first.answer, is_first_case=len(run.observed) == 1)
    if status == "not_attempted":
        return Outcome(exercise.name, status, 0.0, exercise.points, exercise.task, seed=seed, hidden=hidden)
    diagnosis = diagnose(exercise, run.observed) if status != "timed_out" else None
    place = f" {DEVICE_FAMILY}" if run.first.on_device else ""
    message = f"With {run.first.case.note}{place}, {run.mismatch.message}"
    if missing := _unwritten(exercise, run.first.answer):
        message = f"Your {exercise.name} calls {missing}, which is not written yet: do that exercise first."
    if diagnosis:
        message += f"\n{diagnosis}"
    return Outcome(
        name=exercise.name,
        status=status,
        points=points,
        possible=exercise.points,
        message=message,
        misconception=diagnosis.misconception.name if diagnosis else None,
        case=run.first.family,
        seed=seed,
        hidden=hidden,
        families=run.families,
        printed=run.first.answer.printed,
    )


@dataclass
class _Run:
    """What happened: each family's result, each case's answer, and the first thing that went wrong."""

    families: tuple[FamilyResult, ...]
    observed: list[Observed]
    first: Observed | None
    mismatch: Mismatch
    delegated: str | None


def _run(exercise: Exercise, function: Callable[..., Any], hidden: bool, seed: int, delegation: bool) -> _Run:
    """Run all cases. In the first one of each visible family, forbidden calls are watched for as well."""
    results: list[FamilyResult] = []
    run = _Run((), [], None, Mismatch(""), None)
    stopped = False
    for family, cases, on_device in _families(exercise, hidden, seed):
        passed = None if stopped else True
        for number, case in enumerate([] if stopped else cases):
            watched = delegation and number == 0 and not (on_device or family.hidden)
            with _watch(exercise, function) if watched else contextlib.nullcontext() as watch:
                given = answer(function, case, seconds=SECONDS, on_device=on_device)
            # a function that lives in another process also tells of calls that were refused there
            if called := watch.found if watch else getattr(function, "found", None):
                run.delegated = called
                return run
            expected = answer(exercise.oracle, case, seconds=60.0)
            if expected.error is not None:
                raise RuntimeError(
                    f"the reference of {exercise.name} failed with {case.note}"
                ) from expected.error
            mismatch = find_mismatch(exercise, case, given, expected, SECONDS)
            run.observed.append(
                Observed(family.name, case, on_device, given, expected, wrong=mismatch is not None)
            )
            if mismatch is not None:
                passed = False
                if run.first is None:
                    run.first, run.mismatch = run.observed[-1], mismatch
                # a function that is not written, or that loops, will not do better on the next case
                stopped = isinstance(given.error, (NotImplementedError, TimeLimitExceeded))
                break
        results.append(FamilyResult(family.name, passed))
    run.families = tuple(results)
    return run


def _families(exercise: Exercise, hidden: bool, seed: int) -> Iterator[tuple[Family, list[Case], bool]]:
    """The visible families, the ordinary inputs on the GPU, then the hidden families."""
    first = exercise.families[0]
    chosen = [(family, False) for family in exercise.families if not family.hidden]
    if exercise.on_device:
        chosen.append(
            (Family(DEVICE_FAMILY, lambda generator: list(first.make(_generator(first, seed)))[:1]), True)
        )
    if hidden:
        chosen += [(family, False) for family in exercise.families if family.hidden]
    for family, on_device in chosen:
        yield family, list(family.make(_generator(family, seed))), on_device


def _generator(family: Family, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(f"{seed} {family.name}".encode()))


def _points(exercise: Exercise, families: tuple[FamilyResult, ...]) -> float:
    """The weight of the families passed, in half points; nothing while the first one, the ordinary inputs, fails."""
    if not families[0].passed:
        return 0.0
    weight = {family.name: family.weight for family in exercise.families}
    earned = sum(weight.get(family.name, 1) for family in families if family.passed)
    total = sum(weight.get(family.name, 1) for family in families)
    return math.floor(2 * exercise.points * earned / total) / 2


def _status(exercise: Exercise, answer: Answer, is_first_case: bool) -> Status:
    if isinstance(answer.error, NotImplementedError) and is_first_case and not _unwritten(exercise, answer):
        return "not_attempted"
    if isinstance(answer.error, TimeLimitExceeded):
        return "timed_out"
    return "incorrect" if answer.error is None else "crashed"


def _unwritten(exercise: Exercise, answer: Answer) -> str:
    """The other exercise whose stub the function called, if that is what stopped it."""
    called = answer.where.partition(",")[0]
    other = isinstance(answer.error, NotImplementedError) and called != exercise.name and called in names()
    return called if other else ""


def _watch(exercise: Exercise, function: Callable[..., Any]) -> Any:
    """Notes forbidden calls; a function that lives in another process brings its own watch."""
    own = getattr(function, "watch", None)
    return own(exercise) if own else CallWatch(exercise.delegates, exercise.oracle.__code__)


def _delegated(exercise: Exercise, called: str) -> str:
    return (
        f"Your function calls `{called}`, which is this exercise's answer. Compare with it as much as you like; "
        f"to earn the points, write the steps yourself: {exercise.task[0].lower()}{exercise.task[1:]}"
    )


def _praise(name: str, hidden: bool) -> str:
    if hidden:
        return "All cases pass, the hidden families too."
    return f"All visible cases pass. Before you hand in: `check({name}, hidden=True)`."
