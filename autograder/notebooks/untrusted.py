"""Files that a learner handed in, found and read without following a link, opening a pipe, or going on for ever."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

DEEPEST = 12  # folders within one another that are looked into
MOST_ENTRIES = 10_000  # files and folders that are looked at


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is below a folder, in order of the names, a folder before what is in it; links are told, not followed."""
    waiting = [(folder, 0)]
    room = MOST_ENTRIES
    while waiting:
        where, depth = waiting.pop()
        try:
            with os.scandir(where) as scanned:
                found = sorted(scanned, key=lambda entry: entry.name)[:room]
        except OSError:  # it may not be read, or has gone
            continue
        room -= len(found)
        yield from found
        if depth < DEEPEST:
            inner = [entry for entry in found if entry.is_dir(follow_symlinks=False)]
            waiting += [(Path(entry.path), depth + 1) for entry in reversed(inner)]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """An ordinary file, to be read.

    Raises:
        OSError: it is a link or no ordinary file, or cannot be opened.
    """
    if path.is_symlink():
        raise OSError("it is a link")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no ordinary file")
        yield file
