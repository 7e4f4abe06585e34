"""torch's own functions that are an exercise, taken out of a process before a learner's code runs in it.

torch calls every operator through its dispatcher, whether from Python, from a thread, from TorchScript or from within
autograd. There the kernels are replaced by one that raises; nothing that Python can reach knows the old ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import cache
from types import FunctionType
from typing import Any

import torch

# where an operator may have a kernel that computes, or that calls others
_KEYS = (
    "CPU", "CUDA", "MkldnnCPU", "QuantizedCPU", "SparseCPU", "SparseCsrCPU", "NestedTensorCPU",
    "CompositeImplicitAutograd",
)  # fmt: skip
_IN_PYTHON = ("torch._decomp.decompositions", "torch._refs", "torch._refs.nn.functional")


OPERATORS = "torch.ops.aten."  # before their names in Python


class NotHere(RuntimeError):
    """A withheld operator was called."""


@cache
def operators_fitting(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """All operators, with their overloads, whose "torch.ops.aten.name" fits a pattern."""
    fits = re.compile("|".join(map(translate, patterns)) or r"(?!)").match
    operators = torch._C._dispatch_get_all_op_names()
    return tuple(sorted(name for name in operators if name.startswith("aten::") and fits(shown(name))))


def withhold(operators: Iterable[str]) -> list[str]:
    """Take these operators out of this process; it cannot be undone.

    Returns:
        a list to which the name of every one of them that is called is added.
    """
    called: list[str] = []
    # torch.library.Library would keep a way to undo this; its C++ side alone, never given back, does not
    library: Any = torch._C._dispatch_library("IMPL", "aten", "")
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
    with contextlib.suppress(AttributeError):  # by which whoever finds that object in memory could undo it
        del type(library).reset
    for operator in operators:
        for function in _written_in_python(operator):
            function.__code__ = _refuse.__code__
        kernels = [key for key in _KEYS if torch._C._dispatch_has_kernel_for_dispatch_key(operator, key)]
        if "CompositeImplicitAutograd" not in kernels and "CPU" not in kernels:
            kernels.append("CPU")  # before a kernel for all backends
        for key in kernels:
            library.impl(operator, key, _refusing(shown(operator), called))
    return called


def shown(operator: str) -> str:
    """The name of an operator in Python, without its overload."""
    return OPERATORS + _name(operator)


def _name(operator: str) -> str:
    return operator.removeprefix("aten::").partition(".")[0]


def _written_in_python(operator: str) -> Iterator[FunctionType]:
    """torch's own second versions of an operator, behind whatever decorates them; their files are hidden (`warm`)."""
    for module in _IN_PYTHON:
        inner = inspect.unwrap(getattr(sys.modules.get(module), _name(operator), _refuse))
        if isinstance(inner, FunctionType) and not inner.__code__.co_freevars:
            yield inner


def _refuse(*arguments: Any, **options: Any) -> None:
    raise RuntimeError("this function of torch is an exercise of this lab, and not here while it is graded")


def _refusing(name: str, called: list[str]) -> Any:
    def refuse(*arguments: Any, **options: Any) -> None:
        called.append(name)
        raise NotHere(f"{name} is an exercise of this lab, and not here while it is graded: call your own")

    return refuse
