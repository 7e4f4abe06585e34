"""What this machine has of what the course needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing looked at. ``needed`` is False for what only instructors or browser tests use."""

    what: str
    good: bool
    said: str
    needed: bool = True


def examine(root: Path) -> Iterator[Finding]:
    """Look at Python, packages, folders and programs; nothing heavy is imported."""
    good = sys.version_info >= (3, 11)
    yield Finding("Python", good, platform.python_version() + ("" if good else ": 3.11 or newer is needed"))
    for package in ("torch", "torchvision", "jupyterlab", "ipywidgets"):
        yield _package(package, "make setup", needed=True)
    for package in ("nbgrader", "jupytext", "nbclient"):
        yield _package(package, "pip install 'beyond-classification[instructor]'", needed=False)
    from detseg.data.farm.cache import cache_folder

    yield _writable("cache folder", cache_folder(), "set DETSEG_CACHE to a folder you may write to")
    yield _writable("course folder", root, "grading writes there")
    config = root / "nbgrader_config.py"
    yield Finding(
        "course", config.is_file(), str(root) if config.is_file() else f"{config} is missing", False
    )
    alembic = shutil.which(
        "alembic", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    yield Finding("alembic", bool(alembic), alembic or "nbgrader needs it to make a gradebook", False)
    yield from _isolation()
    for program in ("chromium", "chromedriver"):
        found = shutil.which(program)
        yield Finding(program, bool(found), found or "not found: the browser tests are skipped", False)
    yield Finding("processors", True, f"{os.cpu_count()}", False)


def _isolation() -> Iterator[Finding]:
    """What confines learners' code while it is graded."""
    from autograder.isolation import cgroup, jail

    kind = jail.kind()
    said = f"as {kind}" if kind == "root" else f"in a {kind}" if kind else jail.problem()
    if not kind:
        said += ": grading is refused without --unsafe; see docs/security.md"
    yield Finding("jail", bool(kind), said, False)
    group = cgroup.kind()
    said = f"{group}: memory in use is limited" if group else "none: address space is limited instead"
    yield Finding("control groups", bool(group), said, False)


def _package(name: str, fix: str, needed: bool) -> Finding:
    try:
        return Finding(name, True, metadata.version(name), needed)
    except metadata.PackageNotFoundError:
        return Finding(name, False, f"not installed: {fix}", needed)


def _writable(what: str, folder: Path, fix: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Finding(what, True, str(folder))
    except OSError as error:
        return Finding(what, False, f"{folder} cannot be written ({error.strerror}): {fix}")
