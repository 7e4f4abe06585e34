"""Where the device cases run: on a real GPU if this machine has one, else on the pretend one."""

from __future__ import annotations

import contextlib
import sys
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from .pretend_gpu import PretendGPU, PretendTensor
from .tensors import tensors_in


def device_mode() -> contextlib.AbstractContextManager[Any]:
    """Within it, tensors from `to_device` live on the GPU, and new ones can be made there with ``device=``."""
    if torch.cuda.is_available():
        return contextlib.nullcontext()
    _first_operation()
    return PretendGPU()


@cache
def _first_operation() -> None:
    """Run the first operation on a pretend tensor before anybody waits for it.

    With it, torch wants to know whether this kind of tensor is a DTensor, and imports torch.distributed.tensor
    and sympy for the answer: 3 to 9 seconds, once in a process. An empty class in its place answers as well.
    """
    name = "torch.distributed.tensor"
    stand_in = ModuleType(name)
    stand_in.DTensor = type("DTensor", (), {})  # type: ignore[attr-defined]
    known = sys.modules.setdefault(name, stand_in)
    try:
        PretendTensor(torch.zeros(1)).neg()
    finally:
        if known is stand_in:
            del sys.modules[name]


def to_device(tensor: Tensor) -> Tensor:
    """The tensor on the (pretend) GPU."""
    return tensor.cuda() if torch.cuda.is_available() else PretendTensor(tensor)


def to_cpu(value: Any) -> Any:
    """The same value, with every tensor in it detached and on the CPU."""
    if isinstance(value, PretendTensor):
        return value.on_cpu.detach()
    if isinstance(value, Tensor):
        return value.detach().cpu()
    return tree_map(to_cpu, value) if isinstance(value, (tuple, list, dict)) else value


def all_on_device(value: Any) -> bool:
    """Whether every tensor of the value is on the GPU (numbers may be anywhere)."""
    return all(leaf.device.type == "cuda" for leaf in tensors_in(value))
