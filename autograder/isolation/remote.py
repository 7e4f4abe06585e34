"""The learner's function as the checker sees it: a callable whose every call is a message to the student process."""

from __future__ import annotations

import builtins
import inspect
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from ..checking.answer import NoAnswer
from ..checking.tensors import tensors_in
from ..exercises import Exercise
from .channel import Channel
from .protocol import ProtocolError
from .text import plain
from .withheld import OPERATORS

SECONDS = 60.0  # for one message; the checker's own time limit for a case is shorter
PRINTED = 20_000  # characters


class Withheld(BaseException):
    """The function needs something that is withheld for the sake of another exercise; the message names it."""


class RemoteFunction:
    """A function of the student process.

    Values come back as exact builtin and tensor types. Gradients cross as well: an output that is tracked
    over there is tracked here, and its backward pass asks the student process for the vector-Jacobian product.
    ``changed`` tells which arguments of the last call were changed over there; those over here never are.
    """

    def __init__(self, channel: Channel, name: str, forbidden: tuple[str, ...] | None = None) -> None:
        """Ask what stands under ``name`` over there.

        Args:
            channel: to the student process.
            name: of the function.
            forbidden: name patterns; a call of something withheld that fits none of them raises `Withheld`.
        """
        self._channel = channel
        self._forbidden = forbidden
        self._watched: tuple[str, ...] = ()
        self.__name__ = name
        self._lost: BaseException | None = None
        self.found: str | None = None
        self.changed: tuple[bool, ...] = ()
        described = self._ask("describe", name=name)
        self.kind = plain(described.get("kind"), 20)
        if isinstance(described.get("parameters"), list):
            self.__signature__ = _signature(described["parameters"])

    def __call__(self, *arguments: Any) -> Any:
        """Call it over there; what it raises is raised here, as the same builtin exception where there is one."""
        gradient_of = [i for i, a in enumerate(arguments) if isinstance(a, Tensor) and a.requires_grad]
        reply = self._ask(
            "call",
            name=self.__name__,
            arguments=list(arguments),
            gradient_of=gradient_of,
            watch=list(self._watched),
        )
        print(plain(reply.get("printed"), PRINTED), end="")
        if called := " ".join(plain(reply.get("called"), 200).split()):
            if self._forbidden is None or any(fnmatchcase(called, f) for f in self._forbidden):
                self.found = self.found or called
            elif called.startswith(OPERATORS):
                raise Withheld(called)
        if reply.get("error") is not None:
            raise _exception(reply["error"])
        self.changed = _flags(reply.get("changed"), len(arguments))
        value, tracked = reply.get("value"), reply.get("tracked")
        leaves = list(tensors_in(value))
        if not gradient_of or not isinstance(tracked, list) or len(tracked) != len(leaves):
            return value
        followed = [
            leaf
            for leaf, track in zip(leaves, tracked, strict=True)
            if track is True and leaf.is_floating_point()
        ]
        if not followed:
            return value
        attached = _Attach.apply(self, len(followed), *followed, *(arguments[i] for i in gradient_of))
        return _replaced(value, dict(zip(map(id, followed), attached, strict=True)))

    def watch(self, exercise: Exercise) -> RemoteFunction:
        """Within ``with function.watch(exercise):``, calls of what the exercise forbids are noted in ``found``."""
        self._watched = answers_of(exercise)
        self.found = None
        return self

    def __enter__(self) -> RemoteFunction:
        """Start watching."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._watched = ()

    def vjp(self, cotangents: list[Tensor]) -> list[Tensor | None]:
        """Gradients of the last call."""
        reply = self._ask("vjp", cotangents=cotangents)
        if reply.get("error") is not None:
            raise _exception(reply["error"])
        gradients = reply.get("gradients")
        return gradients if type(gradients) is list else []

    def _ask(self, what: str, **details: Any) -> dict[str, Any]:
        if self._lost is not None:
            raise self._lost
        try:
            self._channel.send({"do": what, "with": details}, SECONDS)
            reply = self._channel.receive(SECONDS)
            if type(reply) is not dict:
                raise ProtocolError("an answer that is none")
        except ProtocolError as error:
            self._lost = NoAnswer(f"{error}: did it exit, or run out of memory?")
            raise self._lost from None
        except (
            BaseException
        ) as interruption:  # the checker's time limit: the two are out of step from here on
            self._lost = interruption
            raise
        if "unsendable" in reply:
            raise NoAnswer(plain(reply["unsendable"], 1000))
        return reply

    @property
    def alive(self) -> bool:
        """Whether the student process still answers."""
        return self._lost is None


def answers_of(exercise: Exercise) -> tuple[str, ...]:
    """Name patterns of the functions that are the exercise's answer."""
    return (*exercise.delegates, f"{exercise.oracle.__module__}.{exercise.oracle.__qualname__}")


class _Attach(torch.autograd.Function):
    """Gives received values a backward pass that runs in the student process."""

    @staticmethod
    def forward(ctx: Any, remote: RemoteFunction, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.remote = remote
        ctx.count = count
        ctx.shapes = [tensor.shape for tensor in tensors[count:]]
        return tuple(value.clone() for value in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        gradients = ctx.remote.vjp([cotangent.contiguous() for cotangent in cotangents])
        if len(gradients) != len(ctx.shapes):
            raise NoAnswer("the process answered with the wrong number of gradients")
        for gradient, shape in zip(gradients, ctx.shapes, strict=True):
            if gradient is not None and (not isinstance(gradient, Tensor) or gradient.shape != shape):
                raise NoAnswer("the process answered with a gradient of the wrong shape")
        return (None, None, *[None] * ctx.count, *gradients)


def _exception(described: Any) -> BaseException:
    """An error like the one over there. ``where`` is the learner's line."""
    if type(described) is not dict:
        return NoAnswer("the process answered with something that is not an error")
    name, message = plain(described.get("type"), 100), plain(described.get("message"), 1000)
    known = getattr(builtins, name, None)
    error: BaseException
    if inspect.isclass(known) and issubclass(known, Exception):
        try:
            error = known(message)
        except TypeError:
            error = RuntimeError(f"{name}: {message}")
    elif name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
        error = RuntimeError(f"{name}: {message}")
    else:
        error = type(name if name.isidentifier() else "Error", (Exception,), {})(message)
    error.where = " ".join(plain(described.get("where"), 500).split())  # type: ignore[attr-defined]
    return error


def _signature(parameters: list[Any]) -> inspect.Signature | None:
    """The signature over there, None where what was sent describes none."""
    try:
        return inspect.Signature(
            [
                inspect.Parameter(
                    plain(name, 100),
                    inspect._ParameterKind(kind),
                    default=None if optional else inspect.Parameter.empty,
                )
                for name, kind, optional in parameters
            ]
        )
    except (TypeError, ValueError):
        return None


def _flags(told: Any, count: int) -> tuple[bool, ...]:
    """What was told of each argument; nothing where that is no such list."""
    return tuple(flag is True for flag in told) if type(told) is list and len(told) == count else ()


def _replaced(value: Any, by_id: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return by_id.get(id(value), value)
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(item, by_id) for item in value)
    if isinstance(value, dict):
        return {key: _replaced(item, by_id) for key, item in value.items()}
    return value
