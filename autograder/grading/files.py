"""What was handed in beside a notebook: a module of the learner's, a file of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from autograder.notebooks.cells import in_one_line
from autograder.notebooks.untrusted import entries, opened

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
    folders: set[Path] = set()
    left_out = []
    room = MOST_BYTES
    for path in _below(folder):
        name = str(path.relative_to(folder))
        try:
            content = _read(path, room)
        except OSError as error:
            left_out.append(f"{in_one_line(name)} was left out: {error.strerror or error}")
            continue
        folders.update(path.relative_to(folder).parents)
        if content is None or len(files) + len(folders) > MOST_FILES:
            left_out.append(
                f"{in_one_line(name)} was left out: more than {MOST_BYTES >> 20} MB or {MOST_FILES} files are too much"
            )
            continue
        room -= len(content)
        files[name] = content
    return files, left_out


def links_below(folder: Path) -> list[str]:
    """Names of the links below ``folder``."""
    return [str(path.relative_to(folder)) for path in _below(folder) if path.is_symlink()]


def _below(folder: Path) -> Iterator[Path]:
    """All but folders, notebooks and what programs leave behind."""
    for entry in entries(folder):
        path = Path(entry.path)
        inside = path.relative_to(folder).parts[:-1]
        passed_over = _SKIPPED & set(inside) or any(part.endswith(".ipynb") for part in inside)
        if not passed_over and not path.name.endswith(".ipynb") and not entry.is_dir(follow_symlinks=False):
            yield path


def _read(path: Path, room: int) -> bytes | None:
    """The content of a regular file; None when there is no room for it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise OSError("its name is not UTF-8") from None
    with opened(path) as file:
        content = file.read(room + 1)
    return content if len(content) <= room else None
