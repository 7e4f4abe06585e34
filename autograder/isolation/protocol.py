"""Messages between processes that do not trust each other: a JSON header, then raw tensor bytes. Never pickle.

A message on the wire is an 8-byte length, a 4-byte length of the header, the header (UTF-8 JSON) and the bytes of the
tensors, one after the other. In the header a tensor is ``{"tensor": [dtype, shape]}``; everything that is not
a plain JSON value is such a one-key dict. A tensor on the (pretend) GPU says so and arrives on the receiver's. What is
decoded consists of exact builtin and tensor types: nothing that the other side made can answer a comparison for
itself. Of any other value only the name of its type is sent, for a message about it.
"""

from __future__ import annotations

import json
import math
import struct
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..checking import device as devices

MAX_MESSAGE = 64 * 2**20  # bytes
MAX_HEADER = 4 * 2**20  # of them; parsed JSON takes up to thirty times as much memory
MAX_DEPTH = 12
MAX_ITEMS = 100_000
LONGEST_NAME = 100  # characters

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool,
    )
}  # fmt: skip


class ProtocolError(Exception):
    """The other side sent something that is not a message, or too much of it, or went away."""


class Foreign:
    """Stands for a value of a type that is not sent; its class has that type's name, and nothing else of it."""


@lru_cache(maxsize=100)
def foreign(name: str) -> Foreign:
    """The one that stands for all values of a type."""
    return type(name if name.isidentifier() else "value", (Foreign,), {})()


def _no_constant(name: str) -> None:
    raise ProtocolError(f"{name} is not JSON")


# kept, since json.dumps and json.loads make new ones for each call with such options
_TO_JSON = json.JSONEncoder(separators=(",", ":"))
_FROM_JSON = json.JSONDecoder(parse_constant=_no_constant)


# --- values to bytes ------------------------------------------------------------------------------------------


def encode(value: Any) -> bytes:
    """A message for None, bools, numbers, strings, lists, tuples, dicts with string keys, tensors and generators.

    Raises:
        ProtocolError: the value holds a tensor or number that cannot be sent, is nested too deeply, or is too large.
    """
    writer = _Writer()
    header = _TO_JSON.encode(writer.pack(value, 0)).encode()
    size = 4 + len(header) + writer.size
    if len(header) > MAX_HEADER or size > MAX_MESSAGE:
        raise ProtocolError(f"{size / 2**20:.0f} MiB are too much to send")
    return struct.pack("!QI", size, len(header)) + header + b"".join(writer.body)


class _Writer:
    """Makes the header, and collects the tensors' bytes in order."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.size = 0
        self._items = 0

    def pack(self, value: Any, depth: int) -> Any:
        self._items += 1
        if depth > MAX_DEPTH:
            raise ProtocolError(f"a value nested more than {MAX_DEPTH} deep cannot be sent")
        if self._items > MAX_ITEMS:
            raise ProtocolError(f"more than {MAX_ITEMS} values are too much to send")
        if value is None or type(value) in (bool, str):
            return value
        if isinstance(value, int):
            return _int(int(value))
        if isinstance(value, float):  # numpy's float64 is one
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, Tensor):
            return {"tensor": self._pack_tensor(value)}
        if isinstance(value, torch.Generator):
            return {"generator": value.initial_seed()}
        if isinstance(value, tuple):
            return {"tuple": [self.pack(item, depth + 1) for item in value]}
        if isinstance(value, list):
            return [self.pack(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {"dict": [[str(key), self.pack(item, depth + 1)] for key, item in value.items()]}
        return {"foreign": type(value).__name__[:LONGEST_NAME]}

    def _pack_tensor(self, tensor: Tensor) -> list[Any]:
        name = str(tensor.dtype).removeprefix("torch.")
        if name not in DTYPES or tensor.layout != torch.strided:
            raise ProtocolError(f"a tensor of dtype {name} and layout {tensor.layout} cannot be sent")
        self.size += tensor.numel() * tensor.element_size()
        if self.size > MAX_MESSAGE:  # before an expanded tensor is written out
            raise ProtocolError(f"a tensor of shape {list(tensor.shape)} is too much to send")
        on_device = tensor.device.type == "cuda"
        plain = devices.to_cpu(tensor).contiguous()
        self.body.append(plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
        # the memory order goes along, so that a transposed argument arrives transposed
        order = _memory_order(tensor) if _is_permuted(tensor) else None
        return [name, list(tensor.shape), order, on_device]


def _memory_order(tensor: Tensor) -> list[int]:
    """Dimensions from the slowest to the fastest in memory."""
    return [d for _, d in sorted((-stride, d) for d, stride in enumerate(tensor.stride()))]


def _is_permuted(tensor: Tensor) -> bool:
    """Whether the tensor is a permutation of a contiguous one, and not contiguous itself."""
    if tensor.is_contiguous() or not tensor.numel():
        return False
    return tensor.permute(_memory_order(tensor)).is_contiguous()


# --- bytes to values ------------------------------------------------------------------------------------------


def decode(message: bytes, tensors: bool = True) -> Any:
    """The value of a message (without its first 8 bytes).

    Args:
        message: what came.
        tensors: whether tensors and generators may be in it.

    Raises:
        ProtocolError: the bytes are not a message.
    """
    try:
        (length,) = struct.unpack_from("!I", message)
        if length > MAX_HEADER:
            raise ProtocolError(f"a header of {length} bytes (at most {MAX_HEADER})")
        header = _FROM_JSON.decode(message[4 : 4 + length].decode())
        reader = _Reader(memoryview(message)[4 + length :], tensors)
        value = reader.unpack(header, 0)
    except ProtocolError:
        raise
    except Exception as error:  # whatever json, torch or a lack of memory make of hostile bytes
        raise ProtocolError(f"not a message ({type(error).__name__})") from None
    if reader.left:
        raise ProtocolError(f"{reader.left} bytes too many")
    return value


class _Reader:
    """Walks a header and takes the tensors' bytes in order."""

    def __init__(self, body: memoryview, tensors: bool) -> None:
        self._body = body
        self._tensors = tensors
        self._items = 0

    @property
    def left(self) -> int:
        return len(self._body)

    def unpack(self, packed: Any, depth: int) -> Any:
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise ProtocolError("nested too deeply, or too many values")
        if packed is None or isinstance(packed, (bool, float)):
            return packed
        if isinstance(packed, str):
            return _str(packed)
        if isinstance(packed, int):
            return _int(packed)
        if isinstance(packed, list):
            return [self.unpack(item, depth + 1) for item in packed]
        ((kind, content),) = packed.items()
        if kind == "tensor" and self._tensors:
            return self._tensor(*content)
        if kind == "generator" and self._tensors:
            return torch.Generator().manual_seed(_int(content))
        if kind == "tuple":
            return tuple(self.unpack(item, depth + 1) for item in content)
        if kind == "dict":
            return {_str(key): self.unpack(item, depth + 1) for key, item in content}
        if kind == "foreign":
            return foreign(_str(content)[:LONGEST_NAME])
        if kind == "float" and content in ("nan", "inf", "-inf"):
            return float(content)
        raise ProtocolError(f"unknown kind {kind!r:.40}")

    def _tensor(self, name: Any, shape: Any, order: Any, on_device: Any) -> Tensor:
        dtype = DTYPES.get(name) if isinstance(name, str) else None
        if dtype is None or not isinstance(shape, list) or len(shape) > 16:
            raise ProtocolError(f"unknown tensor {name!r:.40}")
        sizes = [_int(size) for size in shape]
        if any(size < 0 for size in sizes):
            raise ProtocolError("a negative size")
        count = math.prod(sizes) * dtype.itemsize
        if count > self.left:
            raise ProtocolError(f"a tensor of {count} bytes, {self.left} were sent")
        raw, self._body = self._body[:count], self._body[count:]
        if dtype == torch.bool and raw.tobytes().strip(b"\x00\x01"):
            raise ProtocolError("a bool that is neither 0 nor 1")
        if count:
            tensor = torch.frombuffer(bytearray(raw), dtype=dtype).reshape(sizes)
        else:
            tensor = torch.empty(sizes, dtype=dtype)
        if order is not None:
            tensor = _in_memory_order(tensor, order)
        return devices.to_device(tensor) if on_device is True else tensor


def _in_memory_order(tensor: Tensor, order: Any) -> Tensor:
    if not isinstance(order, list) or sorted(map(_int, order)) != list(range(tensor.dim())):
        raise ProtocolError("not an order of dimensions")
    inverse = [order.index(d) for d in range(tensor.dim())]
    return tensor.permute(order).contiguous().permute(inverse)


def _int(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ProtocolError("not an integer of 64 bits")
    return value


def _str(value: Any) -> str:
    """With a question mark for each half of a surrogate pair, which could be written to no file."""
    if type(value) is not str:
        raise ProtocolError("not a string")
    return value.encode("utf-8", "replace").decode()
