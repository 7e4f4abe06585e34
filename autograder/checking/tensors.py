"""The tensors in a value, and whether a value is still what it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors of a value that may be nested in tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def unchanged(before: Any, after: Any) -> bool:
    """Whether an argument is what it was before a call (NaN is still NaN). The rest cannot change."""
    if isinstance(before, Tensor):
        return isinstance(after, Tensor) and _equal(before, after)
    if isinstance(before, torch.Generator):
        return torch.equal(before.get_state(), after.get_state())
    if isinstance(before, list):
        return isinstance(after, list) and len(before) == len(after) and all(map(unchanged, before, after))
    return True


def _equal(before: Tensor, after: Tensor) -> bool:
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    return torch.equal(before, after) or bool(((before == after) | (before.isnan() & after.isnan())).all())
