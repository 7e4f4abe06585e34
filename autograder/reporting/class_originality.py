"""The answers of a graded class compared: with the library's references, and with one another."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TextIO

import nbformat
from rich.table import Table
from rich.text import Text

from autograder.exercises import UnknownExercise, load
from autograder.grading.gradebook import open_course
from autograder.grading.selection import require_lab
from autograder.isolation.text import plain
from autograder.notebooks.cells import grade_id, is_solution

from .originality import Alike, alike


def compare_class(root: Path, lab: str, least_similarity: float = 0.6) -> list[Alike]:
    """The pairs of a lab's graded answers that are alike, by exercise.

    Raises:
        ValueError: nothing of the lab is graded yet, there is no such lab, or ``root`` is no course.
    """
    require_lab(root, lab)
    course = open_course(root, lab)
    graded = sorted(course.path("autograded", "*", lab).parents[1].glob(f"*/{lab}"))
    if not graded:
        raise ValueError(f"nothing of {lab} is graded yet: run `autograder grade {lab}` first")
    stubs = dict(_answers(course.path("release", ".", lab)))
    classes: dict[str, dict[str, str]] = {}
    for folder in graded:
        for exercise, source in _answers(folder):
            classes.setdefault(exercise, {})[folder.parent.name] = source
    found = []
    for exercise, answers in classes.items():
        try:
            reference = inspect.getsource(load(exercise).oracle)
        except UnknownExercise:  # an answer in words, say
            continue
        found += alike(exercise, answers, reference, stubs.get(exercise, ""), least_similarity)
    return found


def _answers(folder: Path) -> Iterator[tuple[str, str]]:
    """Exercise and source of the solution cells in a folder's notebooks."""
    for path in sorted(folder.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and is_solution(cell) and (name := grade_id(cell)):
                yield name, cell.source


def originality_table(pairs: Sequence[Alike], title: str) -> Table:
    """One row a pair."""
    table = Table(title=title, title_justify="left")
    for heading in ("exercise", "answer of", "is like that of"):
        table.add_column(heading, overflow="fold")
    table.add_column("alike", justify="right")
    table.add_column("shared\nexpressions", justify="right")
    for pair in pairs:
        names = [Text(plain(name, 100)) for name in (pair.exercise, pair.first, pair.second)]
        table.add_row(*names, f"{pair.similarity:.0%}", str(pair.shared))
    return table


def write_csv(pairs: Iterable[Alike], file: TextIO) -> None:
    """One line a pair. A name that a spreadsheet would take for a formula gets an apostrophe."""
    writer = csv.writer(file)
    writer.writerow(field.name for field in fields(Alike))
    for pair in pairs:
        writer.writerow(
            "'" + value if str(value)[:1] in ("=", "+", "-", "@") else value for value in astuple(pair)
        )
