"""A GPU for machines without one: CPU arithmetic, but every tensor says it lives on "cuda:0".

Mixing such a tensor with one on the CPU raises what a real GPU raises, so `torch.zeros(n)` without a device is
caught on any laptop. It is advice for honest learners, not a defence.

How: C++ sees an ordinary CPU tensor (autograd then needs no CUDA); Python sees ``device == cuda:0``.
``__torch_dispatch__`` compares the devices of every operation; a `TorchFunctionMode` serves the calls that
name a device: factories, ``.to``, ``.cuda``, ``.cpu``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from .tensors import tensors_in

CUDA = torch.device("cuda", 0)
_INDEX_DTYPES = (torch.int64, torch.int32, torch.bool, torch.uint8)


class PretendTensor(torch.Tensor):
    """Wraps a CPU tensor and claims to be on the GPU."""

    on_cpu: Tensor

    @staticmethod
    def __new__(cls, data: Tensor) -> PretendTensor:
        """Same sizes and strides as ``data``, and no storage of its own."""
        wrapper = torch.Tensor._make_wrapper_subclass(
            cls,
            data.shape,
            strides=data.stride(),
            storage_offset=data.storage_offset(),
            dtype=data.dtype,
            layout=data.layout,
            device=torch.device("cpu"),
            requires_grad=False,
        )
        wrapper.on_cpu = data
        return wrapper

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        """The numbers, and where they pretend to be."""
        return f"{self.on_cpu!r} on a pretend {CUDA}"

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def tolist(self) -> Any:
        """Numbers, as from a real GPU."""
        return self.on_cpu.tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        """Refused, as on a real GPU."""
        raise TypeError(
            f"can't convert {CUDA} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):  # type: ignore[override]
        """Check the devices, compute on the CPU, and wrap what comes out."""
        return _dispatch(operation, args, dict(kwargs or {}))


# An operator's arguments and results nest no deeper than this knows; torch's own tree_map takes many times as long.
def _unwrap(value: Any) -> Any:
    if isinstance(value, PretendTensor):
        return value.on_cpu
    return type(value)([*map(_unwrap, value)]) if isinstance(value, (tuple, list)) else value


def _wrap(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value if isinstance(value, PretendTensor) else PretendTensor(value)
    return type(value)([*map(_wrap, value)]) if isinstance(value, (tuple, list)) else value


def _dispatch(operation: Any, args: tuple, kwargs: dict) -> Any:
    name = operation.name()
    if operation is torch.ops.prim.device.default:
        return CUDA
    if name == "aten::_to_copy":
        return _copy_to(operation, args, kwargs)
    if name == "aten::copy_":  # assignment crosses devices legally
        operation(*_unwrap(args), **kwargs)
        return args[0]
    _refuse_mixed_devices(name, args, kwargs)
    if kwargs.get("device") is not None:
        kwargs["device"] = torch.device("cpu")
    kwargs.pop("pin_memory", None)
    result = operation(*_unwrap(args), **{key: _unwrap(value) for key, value in kwargs.items()})
    if "out" in kwargs:
        return kwargs["out"]
    if args and isinstance(result, Tensor) and result is _unwrap(args[0]):  # in place
        return args[0]
    return _wrap(result)


def _copy_to(operation: Any, args: tuple, kwargs: dict) -> Any:
    target = kwargs.pop("device", None)
    on_gpu = isinstance(args[0], PretendTensor) if target is None else torch.device(target).type == "cuda"
    result = operation(*_unwrap(args), **kwargs)
    return _wrap(result) if on_gpu else result


def _refuse_mixed_devices(name: str, args: tuple, kwargs: dict) -> None:
    tensors = list(tensors_in([*args, *kwargs.values()]))
    on_cpu = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor) and tensor.dim() > 0]
    if not on_cpu or len(on_cpu) == len(tensors):
        return
    indexing = name.startswith(("aten::index.", "aten::index_put", "aten::_index_put"))
    if indexing and not isinstance(args[0], PretendTensor):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )
    if indexing and all(tensor.dtype in _INDEX_DTYPES for tensor in on_cpu):
        return  # CPU indices may index a GPU tensor
    raise RuntimeError(
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{CUDA} and cpu! (in {name.removeprefix('aten::')})"
    )


class PretendGPU(TorchFunctionMode):
    """Within it, factories and ``.to`` / ``.cuda`` / ``.cpu`` know the pretend GPU."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Serve the calls that name a device; leave all others to the tensors."""
        kwargs = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        first = args[0] if args else None
        if isinstance(first, Tensor):
            if name == "cuda":
                return _wrap(first)
            if name == "cpu":
                return _Leave.apply(first) if isinstance(first, PretendTensor) else first
            if name == "is_pinned":
                return False
            if name in ("to", "type_as"):
                return self._to(first, args[1:], kwargs)
            if name == "one_hot":  # makes a tensor of class numbers inside C++, out of our sight
                return _wrap(function(_unwrap(first), *args[1:], **kwargs))
            if name.startswith("new_") or name.endswith("_like"):
                return self._like(function, name, first, args[1:], kwargs)
        if name == "tensor" and isinstance(first, (list, tuple)):  # one-element tensors are read as numbers
            args = tree_map(lambda leaf: leaf.item() if isinstance(leaf, PretendTensor) else leaf, args)
        device = kwargs.get("device")
        if device is not None and not isinstance(first, Tensor) and torch.device(device).type == "cuda":
            if (generator := kwargs.get("generator")) is not None and generator.device.type == "cpu":
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
            kwargs["device"] = torch.device("cpu")
            return _wrap(function(*args, **kwargs))
        return function(*args, **kwargs)

    @staticmethod
    def _to(tensor: Tensor, args: tuple, kwargs: dict) -> Tensor:
        target, dtype = kwargs.get("device"), kwargs.get("dtype")
        for argument in args:
            if isinstance(argument, torch.dtype):
                dtype = argument
            elif isinstance(argument, Tensor):
                target, dtype = argument.device, argument.dtype
            elif isinstance(argument, (str, int, torch.device)) and not isinstance(argument, bool):
                target = argument
        if dtype is not None:
            tensor = tensor.type(dtype)
        if target is None:
            return tensor
        on_gpu = isinstance(target, int) or torch.device(target).type == "cuda"
        if on_gpu:
            return tensor if isinstance(tensor, PretendTensor) else _Enter.apply(tensor)
        return _Leave.apply(tensor) if isinstance(tensor, PretendTensor) else tensor

    @staticmethod
    def _like(function: Any, name: str, first: Tensor, args: tuple, kwargs: dict) -> Tensor:
        device = kwargs.pop("device", None)
        on_gpu = isinstance(first, PretendTensor) if device is None else torch.device(device).type == "cuda"
        source = _unwrap(first)
        with torch._C.DisableTorchFunction():
            made = (
                getattr(source, name)(*args, **kwargs)
                if name.startswith("new_")
                else function(source, *args, **kwargs)
            )
        return _wrap(made) if on_gpu else made


class _Enter(torch.autograd.Function):
    """CPU to pretend GPU, with a gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return PretendTensor(tensor.detach())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _unwrap(gradient)


class _Leave(torch.autograd.Function):
    """Pretend GPU to CPU, with a gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return _unwrap(tensor).clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _wrap(gradient)
