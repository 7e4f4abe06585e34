"""nbgrader's feedback pages, without the source of hidden tests and without tracebacks of checks."""

from __future__ import annotations

import html
import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors as stock
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.grading.publish import publish, staging
from autograder.grading.record import recorded
from autograder.grading.result import Result
from autograder.notebooks.cells import is_grade

from .course import Course
from .rows import GetGrades

_STYLE = """
th, td {padding: .2em 1em .2em 0; vertical-align: top; text-align: left}
summary {display: list-item; cursor: pointer}
"""


class HideGrader(NbGraderPreprocessor):
    """Leaves of a graded cell's errors what they say, not the code they passed through."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Shorten the tracebacks of one cell."""
        if is_grade(cell) and cell.cell_type == "code":
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


class Summarise(NbGraderPreprocessor):
    """Puts a table of the exercises, with what was found in each, above the notebook."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Add the table to one notebook."""
        graded = [(cell, result) for cell in nb.cells if is_grade(cell) and (result := recorded(cell))]
        rows = "".join(_row(cell.metadata.nbgrader, result) for cell, result in graded)
        table = f"<table><tr><th>exercise</th><th>points</th><th>what was found</th></tr>{rows}</table>"
        nb.cells.insert(0, nbformat.v4.new_markdown_cell(table, id="grader-summary"))
        resources["inlining"]["css"].append(_STYLE)
        return nb, resources


def _row(marks: Any, result: Result) -> str:
    name = html.escape(result.exercise)
    link = f'<a href="#{html.escape(marks.grade_id)}"><code>{name}</code></a>'
    score = "" if marks.get("score") is None else f"{marks.score:g}&nbsp;of&nbsp;{marks.points:g}"
    return f"<tr><td>{link}</td><td>{score}</td><td>{html.escape(_found(result))}</td></tr>"


def _found(result: Result) -> str:
    """One line about a result; a learner's own text in it is escaped by the caller."""
    said = result.reason or ("" if result.status == "not_attempted" else result.message)
    line = " ".join(said.splitlines()[:1])[:300]
    if result.misconception:
        return f"behaves like “{result.misconception}”. {line}"
    return line or result.status.replace("_", " ")


FEEDBACK = [GetGrades, stock.ClearHiddenTests, HideGrader, CSSHTMLHeaderPreprocessor, Summarise]


class FeedbackWriter(GenerateFeedback):
    """Writes the pages of one submission after another, with templates that are read once."""

    def __init__(self, course: Course) -> None:
        """Read the course's configuration and the templates."""
        super().__init__(coursedir=course.coursedir, config=course.config)
        self._course = course
        self.exporter = self.exporter_class(parent=self, config=self.config)
        for preprocessor in self.preprocessors:
            self.exporter.register_preprocessor(preprocessor)

    def write(self, student: str, graded: Path) -> None:
        """Write feedback/STUDENT/LAB from the graded notebooks and pictures in ``graded``."""
        lab = self.coursedir.assignment_id
        folder = self._course.path("feedback", student, lab)
        stage = staging(folder)
        for path in sorted(graded.rglob("*")):
            target = stage / path.relative_to(graded)
            if path.suffix == ".ipynb":
                notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
                resources = self.init_single_notebook_resources(
                    self._format_source(lab, student) + f"/{path.name}"
                )
                resources["metadata"] = {"name": path.stem, "path": str(graded)}
                page, _ = self.exporter.from_notebook_node(notebook, resources)
                target.with_suffix(".html").write_text(page, encoding="utf-8")
            elif path.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        publish(stage, folder)
