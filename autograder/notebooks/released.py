"""The released notebook that submissions are compared with, read once for all of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode


def read_release(path: Path) -> NotebookNode:
    """The notebook at ``path``; it is kept, and so not to be changed."""
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> NotebookNode:
    return nbformat.read(path, as_version=4)
