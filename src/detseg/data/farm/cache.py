"""Drawn pictures on disk: one npz file for each run of seeds, in the user's cache folder.

The data version is in the name, so a new generator never reads old pictures. A file appears under its name only when
complete (written aside, then renamed), so readers and writers need no lock. The zip container of npz holds a CRC-32
of every array: a damaged file is noticed.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from detseg.data.farm.classes import DATA_VERSION
from detseg.data.farm.records import Record, layout

CHUNK = {"scene": 25, "crop": 100}
"""Seeds in one file."""


def cache_folder() -> Path:
    """The folder in DETSEG_CACHE if that is set, else the user's cache folder for detseg."""
    chosen = os.environ.get("DETSEG_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("detseg")


def chunk_path(folder: Path, kind: str, size: int, first: int) -> Path:
    """Name of the file that holds the seeds first, first + 1, ..., first + CHUNK[kind] - 1."""
    return folder / f"farm-{kind}-v{DATA_VERSION}-{size}px-{first:06d}.npz"


def read_chunk(path: Path, kind: str, size: int) -> Record:
    """Read one file back.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: there is no such file to read.
        ValueError: the file is truncated, damaged or not one of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            batch = {name: file[name] for name in file.files}
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise
    except Exception as error:  # a damaged zip file can raise almost anything
        raise ValueError(str(error) or type(error).__name__) from error
    expected = {name: (CHUNK[kind], *shape) for name, shape in layout(kind, size).items()}
    found = {name: array.shape for name, array in batch.items()}
    if found != expected or any(array.dtype != np.uint8 for array in batch.values()):
        raise ValueError(f"it holds {found}, not {expected} of uint8")
    return batch


def write_chunk(path: Path, batch: Record) -> None:
    """Write a file so that no other process ever sees part of it.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    contents: dict[str, Any] = dict(batch)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **contents)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        if (
            path.exists()
        ):  # Windows refuses to replace a file that somebody is reading: then it is already there
            return
        raise
