"""nbgrader's feedback pages, without the source of hidden tests and without tracebacks of checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors as stock
from nbgrader.converters import GenerateFeedback, NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.notebooks.cells import is_grade

from .course import open_course
from .quiet import quiet


class HideGrader(NbGraderPreprocessor):
    """Leaves of a graded cell's errors what they say, not the code they passed through."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Shorten the tracebacks of one cell."""
        if is_grade(cell) and cell.cell_type == "code":
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


FEEDBACK = [stock.GetGrades, stock.ClearHiddenTests, HideGrader, CSSHTMLHeaderPreprocessor]


def generate_feedback(root: Path, lab: str, student: str = "*") -> None:
    """Write feedback/STUDENT/LAB/*.html for graded submissions.

    Raises:
        RuntimeError: with nbgrader's messages.
    """
    course = open_course(root, lab, student)
    converter = GenerateFeedback(coursedir=course.coursedir, config=course.config)
    converter.force = True
    with quiet() as said:
        try:
            converter.start()
        except NbGraderException as error:
            raise RuntimeError(f"feedback for {lab} could not be written:\n" + "\n".join(said)) from error
