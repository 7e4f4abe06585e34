"""The released notebook that submissions are compared with, read and checked once for all of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import nbformat
from jsonschema import ValidationError
from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.nbgraderformat import ValidationError as Twice


def read_release(path: Path) -> NotebookNode:
    """The notebook at ``path``; it is kept, and so not to be changed.

    Raises:
        ValueError: its grading marks are damaged.
    """
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    try:
        MetadataValidator().validate_nb(notebook)
    except (ValidationError, Twice) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"the grading marks of {path.parent.name}/{path.name} are damaged ({reason}): run `autograder release`"
        ) from error
    return notebook
