"""Whose functions a model was trained with: a saved run is resumed only with the same ones."""

import inspect
import zlib
from collections.abc import Callable
from typing import Any


def fingerprint(function: Callable[..., Any]) -> str:
    """The name of a function and a checksum of its source: an edited function is told from its old self."""
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or not written in Python
        return name
    return f"{name}-{zlib.crc32(source.encode()):08x}"
