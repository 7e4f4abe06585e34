"""nbgrader's steps that ask its gradebook about each cell, with one look at a table for all cells of a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import nbgrader.api
from nbgrader import preprocessors as stock
from nbgrader.api import BaseCell, Comment, Grade, Gradebook, GradeCell, MissingEntry, TaskCell
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy.orm import scoped_session, sessionmaker, undefer


class Rows(Gradebook):
    """The gradebook of a released lab, for one notebook of one submission: that is the one asked for, always."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        """Open it. The course and the tables are there, which nbgrader otherwise looks into each time.

        Args:
            ids: what nbgrader says of a notebook: its ``notebook``, ``assignment``, ``student`` and ``db_url``.
        """
        self.engine = nbgrader.api.create_engine(ids["db_url"], echo=False, future=True)
        self.db = scoped_session(sessionmaker(bind=self.engine, future=True))
        self._lab = ids["notebook"], ids["assignment"]
        self._student = ids["student"]

    def find_source_cell(self, name: str, *_: str) -> Any:
        """A cell as it was released."""
        return _named(name, self._source_cells)

    def find_graded_cell(self, name: str, *_: str) -> Any:
        """What a released cell is worth."""
        return _named(name, self._graded_cells)

    def find_grade(self, name: str, *_: str) -> Any:
        """The points of one of the learner's cells."""
        return _named(name, self._grades)

    def find_comment(self, name: str, *_: str) -> Any:
        """What is said to one of the learner's answers."""
        return _named(name, self._comments)

    @cached_property
    def submitted(self) -> Any:
        """The learner's notebook as a whole."""
        return self.find_submission_notebook(*self._lab, self._student)

    @cached_property
    def _source_cells(self) -> dict[str, Any]:
        return {cell.name: cell for cell in self.find_notebook(*self._lab).source_cells}

    @cached_property
    def _graded_cells(self) -> dict[str, Any]:
        notebook = self.find_notebook(*self._lab)
        found = [
            self.db.query(kind).filter(kind.notebook_id == notebook.id) for kind in (GradeCell, TaskCell)
        ]
        return {cell.name: cell for cells in found for cell in cells}

    @cached_property
    def _grades(self) -> dict[str, Any]:
        return self._of_cells(Grade, undefer(Grade.max_score))

    @cached_property
    def _comments(self) -> dict[str, Any]:
        return self._of_cells(Comment)

    def _of_cells(self, table: Any, *options: Any) -> dict[str, Any]:
        """The rows of the learner's notebook in a table, by the cell's name."""
        rows = self.db.query(BaseCell.name, table).join(BaseCell, BaseCell.id == table.cell_id)
        rows = rows.filter(table.notebook_id == self.submitted.id).options(*options)
        return dict(rows.all())


def _named(name: str, rows: dict[str, Any]) -> Any:
    try:
        return rows[name]
    except KeyError:
        raise MissingEntry(f"the gradebook has no cell {name}") from None


class _Step(NbGraderPreprocessor):
    """A step of nbgrader's, which finds the gradebook and what its rows are called in these attributes."""

    @contextmanager
    def _opened(self, ids: Mapping[str, str]) -> Iterator[Rows]:
        self.notebook_id, self.assignment_id = ids["notebook"], ids["assignment"]
        self.student_id = ids["student"]
        with Rows(ids) as self.gradebook:
            yield self.gradebook


class OverwriteCells(_Step, stock.OverwriteCells):
    """Gives every cell the marks, and every check the text, that the gradebook has of it."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Overwrite the cells of one notebook; none is missing, since `Repair` comes first."""
        with self._opened(resources["nbgrader"]):
            return NbGraderPreprocessor.preprocess(self, nb, resources)


class SaveGrades(_Step, stock.SaveAutoGrades):
    """Saves points and comments in one transaction: all of a notebook are in the gradebook, or none."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Save the points and comments of one notebook."""
        with self._opened(resources["nbgrader"]) as rows:
            commit, rows.db.commit = rows.db.commit, _later  # type: ignore[method-assign]
            nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
            commit()
        return nb, resources


def _later() -> None:
    """Stands for the commit that nbgrader makes after each cell."""


class GetGrades(_Step, stock.GetGrades):
    """Writes points and comments, a person's included, into the notebook for its page."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Fetch the points and comments of one notebook."""
        ids = resources["nbgrader"]
        with self._opened(ids) as rows:
            nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
            penalty = rows.submitted.late_submission_penalty or 0
            ids.update(score=rows.submitted.score - penalty, max_score=rows.submitted.max_score)
            ids["late_penalty"] = penalty
        return nb, resources
