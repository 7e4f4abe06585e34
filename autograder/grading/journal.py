"""A run of grading, written down as it goes: what was planned, then each result as soon as it is there.

The file has one JSON value a line and only ever grows. Each line is on the disk before its result is recorded
anywhere else, so a run that was killed goes on from it. A last line that is torn counts as not written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .task import Done


class JournalError(RuntimeError):
    """The journal cannot be written: nothing is lost, but the run cannot go on."""


@dataclass(frozen=True)
class Plan:
    """What a run is to grade. ``students`` has the digest of each one's submission when the run began."""

    run: str
    lab: str
    students: dict[str, str]
    force: bool = False


@dataclass(frozen=True)
class Entry:
    """One result, and the digest of the submission it is of."""

    digest: str
    done: Done


class Journal:
    """The journal of one run of a lab; `start` a new one or `resume` what is there."""

    def __init__(self, path: Path, plan: Plan, entries: dict[str, Entry], size: int) -> None:
        """Use `start` or `resume`."""
        self.plan, self.entries = plan, entries
        self._path, self._size = path, size
        self._file = path.open("r+b", buffering=0)
        self._file.truncate(size)  # a torn last line
        self._file.seek(size)

    @classmethod
    def start(cls, path: Path, plan: Plan) -> Journal:
        """Begin a run; an earlier journal is replaced.

        Raises:
            JournalError: the folder cannot be written.
        """
        new = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                file.write(_line({"plan": asdict(plan)}))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise JournalError(f"{path.parent} cannot be written ({error.strerror})") from error
        return cls(path, plan, {}, path.stat().st_size)

    @classmethod
    def resume(cls, path: Path) -> Journal | None:
        """The journal of a run that was stopped, or None."""
        try:
            lines = list(_whole_lines(path))
        except OSError:
            return None
        if not lines or "plan" not in lines[0][0]:
            return None
        plan = Plan(**lines[0][0]["plan"])
        entries = {
            values["done"]["student"]: Entry(values["digest"], Done(**values["done"]))
            for values, _ in lines[1:]
        }
        return cls(path, plan, entries, lines[-1][1])

    def append(self, digest: str, done: Done) -> None:
        """Write a result down; it is on the disk when this returns.

        Raises:
            JournalError: it is not, and the journal is as before.
        """
        line = _line({"digest": digest, "done": asdict(done)})
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise JournalError(
                f"{self._path} cannot be written ({error.strerror}): when that is mended, go on with --resume"
            ) from error
        self._size += len(line)
        self.entries[done.student] = Entry(digest, done)

    def close(self) -> None:
        """Leave it to be resumed."""
        self._file.close()

    def finish(self) -> None:
        """Everything is recorded elsewhere: the journal goes."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _line(values: object) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _whole_lines(path: Path) -> Iterator[tuple[dict, int]]:
    """The value of each line that was written to its end, and where it ends."""
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            try:
                values = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n") or not isinstance(values, dict):
                return
            yield values, end


def _sync(folder: Path) -> None:
    """Also the name of a new file is on the disk then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
