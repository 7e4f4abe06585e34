"""What was handed in beside a notebook: a module of the learner's, a file of data."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

Files = Mapping[str, bytes]
NO_FILES: Files = MappingProxyType({})
MOST_BYTES = 32 * 2**20  # of all files together: half of what a student process may write
MOST_FILES = 500
_SKIPPED = {"__pycache__", ".ipynb_checkpoints"}


def files_beside(folder: Path) -> tuple[Files, list[str]]:
    """Name (relative to ``folder``) and content of every file below it except notebooks, and what was left out.

    Links and special files are never followed or opened: a link handed in could show any file of this machine.

    Returns:
        the files, and one line for each that was left out.
    """
    files: dict[str, bytes] = {}
    left_out = []
    room = MOST_BYTES
    for path in _below(folder):
        name = str(path.relative_to(folder))
        shown = name.encode(errors="replace").decode()
        try:
            content = _read(path, room)
        except OSError as error:
            left_out.append(f"{shown} was left out: {error.strerror or error}")
            continue
        if content is None or len(files) == MOST_FILES:
            left_out.append(
                f"{shown} was left out: more than {MOST_BYTES >> 20} MB or {MOST_FILES} files are too much"
            )
            continue
        room -= len(content)
        files[name] = content
    return files, left_out


def links_below(folder: Path) -> list[str]:
    """Names of the links below ``folder``."""
    return [str(path.relative_to(folder)) for path in _below(folder) if path.is_symlink()]


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):  # links to folders are listed, not followed
        links = [name for name in folders if Path(where, name).is_symlink()]
        folders[:] = sorted(
            name for name in set(folders) - _SKIPPED - set(links) if not name.endswith(".ipynb")
        )
        yield from (Path(where, name) for name in sorted([*names, *links]) if not name.endswith(".ipynb"))


def _read(path: Path, room: int) -> bytes | None:
    """The content of a regular file; None when there is no room for it."""
    if path.is_symlink():
        raise OSError("it is a link")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no ordinary file")
        content = file.read(room + 1)
    return content if len(content) <= room else None
