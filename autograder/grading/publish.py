"""A folder that is there as a whole or not at all, whenever the program is killed."""

from __future__ import annotations

import shutil
from pathlib import Path


def stage_of(folder: Path) -> Path:
    """Where what is to become ``folder`` is made: beside it, hidden."""
    return folder.with_name(f".{folder.name}.new")


def staging(folder: Path) -> Path:
    """`stage_of` the folder, empty, to be filled and then published.

    Raises:
        OSError: what a killed program left there cannot be removed, or nothing can be written.
    """
    stage = stage_of(folder)
    if stage.exists():
        shutil.rmtree(stage)
    tidy(folder)
    stage.mkdir(parents=True)
    return stage


def publish(stage: Path, folder: Path) -> None:
    """Put ``stage`` in the place of ``folder``. In between there may be none, but never half of one."""
    if folder.exists():
        folder.rename(_old(folder))
    stage.rename(folder)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove what a killed program may have left beside ``folder``."""
    shutil.rmtree(stage_of(folder), ignore_errors=True)
    shutil.rmtree(_old(folder), ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
