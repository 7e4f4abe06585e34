"""Executing a whole notebook, training included, with its progress on the screen."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from autograder.grading.kernel import Kernel

from .progress import Progress

CELL_SECONDS = 600.0


class LabFailed(RuntimeError):
    """A cell of the solved lab raised, died or did not return."""


def execute_lab(
    notebook: NotebookNode, folder: Path, environment: Mapping[str, str], console: Console
) -> tuple[NotebookNode, float]:
    """Run every code cell of ``notebook`` (also those the grader skips) in ``folder``.

    Returns:
        the notebook with its outputs, and the seconds it took.

    Raises:
        LabFailed: naming the cell and its error.
    """
    started = time.monotonic()
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    kernel = Kernel(folder, environment)
    number, section = 0, ""
    try:
        for cell in notebook.cells:
            section = _heading(cell) or section
            if cell.cell_type != "code":
                continue
            number += 1
            with Progress(console, f"cell {number:2d} of {count}  {section}") as progress:
                run = kernel.run(cell.source, CELL_SECONDS, progress.say)
            cell.outputs, cell.execution_count = run.outputs, number
            errors = [
                f"{output.ename}: {output.evalue}" for output in run.outputs if output.output_type == "error"
            ]
            if errors or run.ended != "finished":
                raise LabFailed(f"cell {number} ({section}) {errors[0] if errors else run.ended}")
    finally:
        kernel.stop()
    return notebook, time.monotonic() - started


def printed(notebook: NotebookNode, pattern: str) -> str:
    """The first line of the outputs that contains ``pattern``; empty when there is none."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "") if output.output_type == "stream" else ""
            if match := re.search(f"^.*{pattern}.*$", text, re.MULTILINE):
                return match[0]
    return ""


def save(notebook: NotebookNode, path: Path) -> None:
    """Write the notebook and a page of it that any browser shows."""
    from nbconvert.exporters import HTMLExporter

    nbformat.write(notebook, path)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    path.with_suffix(".html").write_text(page, encoding="utf-8")


def _heading(cell: NotebookNode) -> str:
    """The last heading in a text cell."""
    found = re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
    return found[-1].replace("`", "") if found else ""
