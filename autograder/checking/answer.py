"""What a function did with one case: the value and gradients it gave, or how it failed."""

from __future__ import annotations

import contextlib
import io
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..exercises import Case, Seeded
from . import device as devices
from .tensors import tensors_in, unchanged
from .time_limit import TimeLimitExceeded, time_limit

PRINTED_LIMIT = 2_000  # characters of a function's output that are kept


class NoAnswer(Exception):
    """Nothing came from a function in another process: that went away, or what was returned cannot be sent."""


@dataclass(frozen=True)
class Answer:
    """The result of one call.

    ``value`` holds CPU tensors; ``gradients`` one tensor or None for each position in ``case.gradient_of``;
    ``error`` is what was raised, ``where`` the learner's line that raised it; ``modified`` the position of an
    argument that was changed in place; ``off_device`` tells that the value was left on another device;
    ``draws`` that a generator it was given was drawn from; ``unrepeatable`` that two equally seeded generators drew
    differently; ``ignores_seed`` that one which decides was not drawn from, or another seed drew the same.
    """

    value: Any = None
    gradients: tuple[Tensor | None, ...] = ()
    error: BaseException | None = None
    where: str = ""
    printed: str = ""
    modified: int | None = None
    off_device: bool = False
    draws: bool = False
    unrepeatable: bool = False
    ignores_seed: bool = False


class _Printed(io.StringIO):
    """Keeps the first characters printed and forgets the rest."""

    def write(self, text: str) -> int:
        if (room := PRINTED_LIMIT - self.tell()) > 0:
            super().write(text[:room])
        return len(text)


def answer(function: Callable[..., Any], case: Case, *, seconds: float, on_device: bool = False) -> Answer:
    """Call ``function`` on fresh copies of the case's arguments; only a user's interrupt comes out of it."""
    first = _call(function, case, seconds, on_device)
    seeds = [argument for argument in case.arguments if isinstance(argument, Seeded)]
    if first.error is not None or not seeds:
        return first
    with _other_global_seed():
        second = _call(function, case, seconds, on_device)
    if second.error is not None or not same_values(first.value, second.value, (0.0, 0.0)):
        return Answer(first.value, first.gradients, printed=first.printed, unrepeatable=True)
    if any(seed.decides for seed in seeds) and not on_device:
        other = _call(function, _reseeded(case), seconds, on_device)
        same = same_values(first.value, other.value, (0.0, 0.0))
        return replace(first, ignores_seed=same or not first.draws)
    return first


def _reseeded(case: Case) -> Case:
    arguments = (Seeded(a.seed + 1) if isinstance(a, Seeded) else a for a in case.arguments)
    return replace(case, arguments=tuple(arguments))


def _call(function: Callable[..., Any], case: Case, seconds: float, on_device: bool) -> Answer:
    printed = _Printed()
    with devices.device_mode() if on_device else contextlib.nullcontext():
        arguments = tuple(_fresh(argument, on_device) for argument in case.arguments)
        for position in case.gradient_of:
            arguments[position].requires_grad_()
        try:
            with (
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
                time_limit(seconds),
            ):
                value = function(*arguments)
                gradients = _gradients(value, [arguments[position] for position in case.gradient_of])
        except KeyboardInterrupt:
            raise
        except (Exception, SystemExit, TimeLimitExceeded) as error:
            return Answer(error=error, where=_learners_line(error), printed=printed.getvalue())
        off_device = on_device and not devices.all_on_device(value)
        value, gradients = devices.to_cpu(value), tuple(devices.to_cpu(gradient) for gradient in gradients)
        # a function that lives in another process changes arguments there
        changed = getattr(function, "changed", None) or [
            not unchanged(_copy(old), devices.to_cpu(new))
            for old, new in zip(case.arguments, arguments, strict=True)
        ]
    seeded = [isinstance(argument, Seeded) for argument in case.arguments]
    modified = next((i for i, it_is in enumerate(changed) if it_is and not seeded[i]), None)
    draws = any(it_is and seeded[i] for i, it_is in enumerate(changed))
    return Answer(value, gradients, None, "", printed.getvalue(), modified, off_device, draws=draws)


def _copy(argument: Any) -> Any:
    return torch.Generator().manual_seed(argument.seed) if isinstance(argument, Seeded) else argument


def _fresh(argument: Any, on_device: bool) -> Any:
    if isinstance(argument, Seeded):
        return _copy(argument)
    if isinstance(argument, Tensor):
        # clone() keeps the strides of a dense tensor, so a transposed argument stays transposed
        copy = argument.detach().clone()
        return devices.to_device(copy) if on_device else copy
    if isinstance(argument, list):
        return [_fresh(item, on_device) for item in argument]
    return argument


def _gradients(value: Any, inputs: list[Tensor]) -> tuple[Tensor | None, ...]:
    """Gradient of a fixed weighted sum of all float outputs; None where nothing flows back."""
    if not inputs:
        return ()
    outputs = [item for item in tensors_in(value) if item.requires_grad]
    if not outputs:
        return (None,) * len(inputs)
    total = torch.stack([(output * _weights(output)).sum() for output in outputs]).sum()
    return torch.autograd.grad(total, inputs, allow_unused=True)


def _weights(output: Tensor) -> Tensor:
    """Different for every element, so that gradients which land on the wrong one show."""
    count = torch.arange(output.numel(), device=output.device, dtype=output.dtype)
    return ((count * 0.618034) % 1 + 0.5).reshape(output.shape)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _flat(value[key])
    else:
        yield value


def same_values(first: Any, second: Any, tolerance: tuple[float, float]) -> bool:
    """Whether two results hold the same numbers in the same shapes (NaN equals NaN)."""
    ours, theirs = list(_flat(first)), list(_flat(second))
    if len(ours) != len(theirs):
        return False
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, Tensor) != isinstance(b, Tensor):
            return False
        if not isinstance(a, Tensor):
            try:
                a, b = torch.tensor(a), torch.tensor(b)
            except (TypeError, ValueError, RuntimeError):
                if a is not b:
                    return False
                continue
        relative, absolute = tolerance
        if a.shape != b.shape or not torch.allclose(
            a.double(), b.double(), relative, absolute, equal_nan=True
        ):
            return False
    return True


def same_answer(first: Answer, second: Answer, tolerance: tuple[float, float]) -> bool:
    """Whether two functions behaved alike on a case."""
    if first.error is not None or second.error is not None:
        return type(first.error) is type(second.error) and _opening(first.error) == _opening(second.error)
    marks = ("modified", "off_device", "unrepeatable", "ignores_seed")
    if any(getattr(first, mark) != getattr(second, mark) for mark in marks):
        return False
    if first.unrepeatable:
        return True
    gradients = zip(first.gradients, second.gradients, strict=True)
    return same_values(first.value, second.value, tolerance) and all(
        (a is None) == (b is None) and (a is None or same_values(a, b, tolerance)) for a, b in gradients
    )


def _opening(error: BaseException | None) -> list[str]:
    """The first words of an error: numbers and names that follow may differ between two ways to fail alike."""
    return str(error).split()[:5]


def _learners_line(error: BaseException) -> str:
    """The innermost line outside the grader and torch: "line 7: x = y[3]"."""
    if known := getattr(error, "where", ""):  # it happened in another process
        return known
    package = Path(__file__).parents[1]
    ours = (str(package / "checking"), str(package / "isolation"))
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ours)
    ]
    frames = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    if not frames:
        return ""
    last = frames[-1]
    return (
        f"{last.name}, line {last.lineno}: {last.line}" if last.line else f"{last.name}, line {last.lineno}"
    )


@contextlib.contextmanager
def _other_global_seed() -> Iterator[None]:
    """Another state of torch's global generator, so that drawing from it by mistake shows."""
    state = torch.random.get_rng_state()
    torch.default_generator.manual_seed(int(state[:8].sum()) + 1)
    try:
        yield
    finally:
        torch.random.set_rng_state(state)
