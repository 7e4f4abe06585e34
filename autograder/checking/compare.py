"""Find where an answer first differs from the expected one, and say it in words a learner can act on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..exercises import Case, Exercise, Mismatch
from .answer import Answer, NoAnswer
from .time_limit import TimeLimitExceeded

ROW = 8  # values of the last dimension that a message quotes


def find_mismatch(
    exercise: Exercise, case: Case, answer: Answer, expected: Answer, seconds: float
) -> Mismatch | None:
    """None when the answer is right. Order: failure, side effects, structure, values, gradients, device, chance."""
    if answer.error is not None:
        return Mismatch(_failure(answer, seconds))
    if answer.unrepeatable:
        return Mismatch(
            "two calls with equally seeded generators drew differently: draw from the generator you are given "
            "(generator=generator), not from torch's global one."
        )
    if answer.modified is not None:
        return Mismatch(
            f"the input {_argument_name(exercise, answer.modified)} was changed in place: work on a copy."
        )
    if exercise.judge is not None:
        mismatch = exercise.judge(case, answer.value, expected.value)
    else:
        mismatch = _compare(exercise, case, answer.value, expected.value, exercise.axes, "")
    return (
        mismatch
        or _compare_gradients(exercise, case, answer, expected)
        or _compare_device(answer)
        or _compare_seeds(answer)
    )


def _failure(answer: Answer, seconds: float) -> str:
    if isinstance(answer.error, TimeLimitExceeded):
        where = f" It was stopped in {answer.where}" if answer.where else ""
        return f"no answer within {seconds:g} seconds: is there a loop that never ends?{where}"
    text = " ".join(str(answer.error).split())
    if isinstance(answer.error, NoAnswer):
        return f"no answer came from your function: {text}"
    raised = f"{type(answer.error).__name__}: {text[:300]}" if text else type(answer.error).__name__
    return f"your function raised {raised}" + (f"\nin {answer.where}" if answer.where else "")


def _compare(
    exercise: Exercise, case: Case, actual: Any, expected: Any, axes: tuple[str, ...], part: str
) -> Mismatch | None:
    subject = f"output {part}" if part else "the result"
    if isinstance(expected, (tuple, list)):
        if not isinstance(actual, (tuple, list)) or len(actual) != len(expected):
            got = f"{len(actual)} values" if isinstance(actual, (tuple, list)) else _describe(actual)
            return Mismatch(f"{subject} must be {len(expected)} values (a tuple); yours is {got}.")
        pairs = enumerate(zip(actual, expected, strict=True), 1)
        found = (
            _compare(exercise, case, a, e, axes if i == 1 else (), f"{i} of {len(expected)}")
            for i, (a, e) in pairs
        )
        return next((mismatch for mismatch in found if mismatch), None)
    if isinstance(expected, dict):
        if not isinstance(actual, dict) or set(actual) != set(expected):
            got = f"keys {sorted(map(str, actual))}" if isinstance(actual, dict) else _describe(actual)
            return Mismatch(f"{subject} must be a dict with keys {sorted(expected)}; yours is {got}.")
        found = (_compare(exercise, case, actual[key], expected[key], (), f'"{key}"') for key in expected)
        return next((mismatch for mismatch in found if mismatch), None)
    if isinstance(expected, Tensor):
        return _compare_tensors(exercise, case, actual, expected, axes, subject)
    return _compare_numbers(exercise, actual, expected, subject)


def _compare_numbers(exercise: Exercise, actual: Any, expected: Any, subject: str) -> Mismatch | None:
    if isinstance(actual, Tensor) and actual.numel() == 1 and not isinstance(expected, int):
        actual = actual.item()
    if isinstance(actual, bool) or not isinstance(actual, (int, float)):
        return Mismatch(
            f"{subject} must be a number ({type(expected).__name__}); yours is {_describe(actual)}."
        )
    relative, absolute = exercise.tolerance
    close = torch.isclose(
        torch.tensor(float(actual)), torch.tensor(float(expected)), relative, absolute, equal_nan=True
    )
    return None if close else Mismatch(f"{subject} is {actual:.6g}; expected {expected:.6g}.")


def _compare_tensors(
    exercise: Exercise, case: Case, actual: Any, expected: Tensor, axes: tuple[str, ...], subject: str
) -> Mismatch | None:
    if actual is None:
        return Mismatch(f"{subject} is None: did you forget `return`?")
    if not isinstance(actual, Tensor):
        return Mismatch(
            f"{subject} must be a tensor of shape {list(expected.shape)}; yours is {_describe(actual)}."
        )
    if actual.shape != expected.shape:
        named = f" ({', '.join(axes)})" if axes else ""
        return Mismatch(f"{subject} has shape {list(actual.shape)}; expected {list(expected.shape)}{named}.")
    if actual.dtype != expected.dtype:
        advice = "" if actual.dtype != torch.float32 else " Make new tensors with the input's dtype."
        return Mismatch(
            f"{subject} has dtype {_short(actual.dtype)}; expected {_short(expected.dtype)}.{advice}"
        )
    wrong = _wrong(actual, expected, exercise.tolerance)
    if not wrong.any():
        return None
    index = tuple(int(i) for i in wrong.nonzero()[0])
    place = ", ".join(f"{axes[d] if d < len(axes) else f'dimension {d}'} {i}" for d, i in enumerate(index))
    message = f"{subject} first differs at {place}: " if index else f"{subject} differs: "
    message += f"yours is {_number(actual[index])}, expected {_number(expected[index])}"
    if actual.numel() > 1:
        message += f" ({int(wrong.sum())} of {actual.numel()} values differ)"
    if index and axes and (words := exercise.locate(case, index)):
        message += f".\n{words}"
    return Mismatch(message + _row(actual, expected, index))


def _wrong(actual: Tensor, expected: Tensor, tolerance: tuple[float, float]) -> Tensor:
    relative, absolute = tolerance
    return ~torch.isclose(actual.double(), expected.double(), relative, absolute, equal_nan=True)


def _row(actual: Tensor, expected: Tensor, index: tuple[int, ...]) -> str:
    """The values around the first difference along the last dimension, yours above expected."""
    if not index or actual.shape[-1] < 2:
        return ""
    start = max(0, min(index[-1] - ROW // 2, actual.shape[-1] - ROW))
    rows = (tensor[index[:-1]][start : start + ROW] for tensor in (actual, expected))
    mine, theirs = ([_number(value) for value in row] for row in rows)
    width = max(map(len, mine + theirs))
    lines = ("  ".join(value.rjust(width) for value in row) for row in (mine, theirs))
    return "\nyours     {}\nexpected  {}".format(*lines)


def _compare_gradients(exercise: Exercise, case: Case, answer: Answer, expected: Answer) -> Mismatch | None:
    for position, actual, wanted in zip(case.gradient_of, answer.gradients, expected.gradients, strict=True):
        name = _argument_name(exercise, position)
        if wanted is None:
            continue
        if actual is None:
            return Mismatch(
                f"the values are right, but no gradient reaches {name}: something cuts the graph."
            )
        wrong = _wrong(actual, wanted, exercise.gradient_tolerance)
        if wrong.any():
            index = tuple(int(i) for i in wrong.nonzero()[0])
            return Mismatch(
                f"the values are right, but the gradient of {name} first differs at {list(index)}: "
                f"yours is {_number(actual[index])}, expected {_number(wanted[index])}"
            )
    return None


def _compare_device(answer: Answer) -> Mismatch | None:
    if answer.off_device:
        return Mismatch(
            "the inputs are on the GPU, but the result is on the CPU: make new tensors on the inputs' device."
        )
    return None


def _compare_seeds(answer: Answer) -> Mismatch | None:
    if answer.ignores_seed:
        return Mismatch(
            "the next call would draw the same again: draw from the generator you are given "
            "(generator=generator), and seed none yourself."
        )
    return None


def _argument_name(exercise: Exercise, position: int) -> str:
    code = exercise.oracle.__code__
    return code.co_varnames[position] if position < code.co_argcount else f"argument {position + 1}"


def _describe(value: Any) -> str:
    if value is None:
        return "None (did you forget `return`?)"
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    if isinstance(value, (int, float, str)):
        return f"{value!r} ({type(value).__name__})"
    return f"a {type(value).__name__}"


def _number(value: Tensor) -> str:
    number = value.item()
    return f"{number:.5g}" if isinstance(number, float) else str(number)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
