"""Which of the files a learner handed in is the notebook of a lab, whatever its name."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from .boundaries import restore_boundaries
from .cells import in_one_line
from .matching import anchors, answered, match
from .reading import LARGEST, Unreadable, read_notebook
from .released import read_release
from .untrusted import entries, opened

MOST_FILES = 50  # of a folder or an archive that are looked at
MOST_MEMBERS = 10_000  # of an archive whose names are looked at
MOST_UNPACKED = 64 * 2**20  # bytes of all notebooks in archives
LONGEST_SEARCH = 20.0  # seconds

_PASSED_OVER = {".ipynb_checkpoints", "__pycache__", "__MACOSX"}


@dataclass
class _Candidate:
    """A file, and how much of the lab is in it."""

    name: str
    notebook: NotebookNode
    repairs: list[str]
    found: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


class _Left:
    """What may still be spent on one submission, whose archives can be small and hold a great deal."""

    def __init__(self) -> None:
        self.room = MOST_UNPACKED
        self._end = time.monotonic() + LONGEST_SEARCH

    @property
    def over(self) -> bool:
        return self.room < 0 or time.monotonic() > self._end


def find_notebook(folder: Path, release: Path) -> tuple[NotebookNode, list[str]]:
    """What is to be graded of the files in ``folder`` as the released notebook ``release`` (labs/LAB/NAME.ipynb).

    The file with the right name is taken if something of the lab is written in it. Otherwise the one, also in a zip
    archive or as a Python file, in which the most is written.

    Returns:
        the notebook, and one line for each thing that was put right to find and read it.

    Raises:
        Unreadable: none holds anything of this lab; the message says what was handed in instead.
    """
    released = read_release(release)
    problems: list[Unreadable] = []
    readable: list[_Candidate] = []
    names = _files(folder, release)
    for candidate in _candidates(folder, names, problems):
        wanted = anchors(released.cells)
        cells, _ = restore_boundaries(candidate.notebook.cells, released.cells)
        candidate.found, candidate.written = answered(match(wanted, cells), wanted)
        readable.append(candidate)
        if candidate.name == release.name and candidate.written:
            break
    taken = max(readable, key=lambda candidate: (len(candidate.written), len(candidate.found)), default=None)
    if taken is None:
        raise problems[0] if problems else Unreadable(f"nothing was handed in: there is no {release.name}")
    if not taken.found:
        raise Unreadable(_other_lab(taken, release))
    return taken.notebook, _which(taken.name, names, release) + taken.repairs


def _which(taken: str, names: list[str], release: Path) -> list[str]:
    """What to say about the choice of a file."""
    others = [in_one_line(name) for name in names if name.endswith(".ipynb") and in_one_line(name) != taken]
    more = f"; handed in as well and not graded: {', '.join(others[:3])}" if others else ""
    more += f" and {len(others) - 3} more" if len(others) > 3 else ""
    if taken != release.name:
        return [f"“{taken}” was taken for {release.name}{more}"]
    return [f"{taken} was taken{more}"] if others else []


def _files(folder: Path, release: Path) -> list[str]:
    """Names of the files that may hold the notebook: the right name first, then notebooks, then all others."""
    others = {path.name for path in release.parent.glob("*") if path.name != release.name}
    paths = [Path(entry.path) for entry in entries(folder) if not entry.is_dir(follow_symlinks=False)]
    found = [
        str(path.relative_to(folder))
        for path in paths
        if not _PASSED_OVER & set(path.relative_to(folder).parts)
        if not path.name.startswith(".") and path.name != "timestamp.txt"  # nbgrader's
    ]
    return sorted(
        set(found) - others, key=lambda name: (name != release.name, not name.endswith(".ipynb"), name)
    )[:MOST_FILES]


def _candidates(folder: Path, names: list[str], problems: list[Unreadable]) -> Iterator[_Candidate]:
    """Every notebook that can be read; what is wrong with the other files goes to ``problems``."""
    left = _Left()
    for name in names:
        shown = in_one_line(name)
        if left.over:
            problems.append(
                Unreadable(f"more was handed in than can be looked through: {shown} and the rest")
            )
            return
        try:
            raw = _content(folder / name, shown)
            if raw.startswith(b"PK\x03\x04"):
                yield from _in_archive(raw, shown, problems, left)
            else:
                yield _Candidate(shown, *read_notebook(raw, shown))
        except Unreadable as error:
            problems.append(error)


def _content(path: Path, name: str) -> bytes:
    """A file's bytes. Only ordinary files are opened: a link could show any file of this machine."""
    try:
        with opened(path) as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(
            f"{name} cannot be read ({error.strerror or error}): hand in the notebook itself"
        ) from error


def _in_archive(raw: bytes, name: str, problems: list[Unreadable], left: _Left) -> Iterator[_Candidate]:
    """The notebooks in a zip archive, read in memory; nothing is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [
                member
                for member in archive.infolist()[:MOST_MEMBERS]
                if member.filename.endswith(".ipynb") and not _PASSED_OVER & set(member.filename.split("/"))
            ]
            if not members:
                problems.append(Unreadable(f"{name} is a zip archive without a notebook in it"))
            for member in members[:MOST_FILES]:
                shown = in_one_line(f"{member.filename} in {name}")
                with archive.open(member) as file:
                    content = file.read(left.room + 1)
                left.room -= len(content)
                if left.over:
                    problems.append(Unreadable(f"{name} holds more than can be looked through"))
                    return
                try:
                    yield _Candidate(shown, *read_notebook(content, shown))
                except Unreadable as error:
                    problems.append(error)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        problems.append(Unreadable(f"{name} is a zip archive that cannot be opened: {error}"))


def _other_lab(candidate: _Candidate, release: Path) -> str:
    """What a notebook is that holds nothing of the lab it was handed in for."""
    mine = release.parent.name
    best, lab = 0, candidate.notebook.metadata.get("lab", "").split("/")[0]
    for path in sorted(release.parent.parent.glob("*/*.ipynb")):
        wanted = anchors(read_release(path).cells)
        found, _ = answered(match(wanted, candidate.notebook.cells), wanted)
        if path.parent.name != mine and len(found) > best:
            best, lab = len(found), path.parent.name
    if lab and lab != mine:
        other = _spoken(in_one_line(lab))
        return f"{candidate.name} is {other}, handed in as {_spoken(mine)}: hand in the notebook of {mine}"
    about = "".join(f"; {repair}" for repair in candidate.repairs)
    return (
        f"{candidate.name} holds none of the exercises of {_spoken(mine)}: hand in the notebook again{about}"
    )


def _spoken(lab: str) -> str:
    number = lab.split("_")[0]
    return f"lab {int(number)} ({lab})" if number.isdigit() else lab
