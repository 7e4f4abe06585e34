"""A folder that is there as a whole or not at all, whenever the program is killed."""

from __future__ import annotations

import shutil
from pathlib import Path


def stage_of(folder: Path) -> Path:
    """Where what is to become ``folder`` is made: beside it, hidden."""
    return folder.with_name(f".{folder.name}.new")


def staging(folder: Path) -> Path:
    """`stage_of` the folder, empty, to be filled and then published."""
    stage = stage_of(folder)
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    return stage


def publish(stage: Path, folder: Path) -> None:
    """Put ``stage`` in the place of ``folder``. In between there may be none, but never half of one."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    stage.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
