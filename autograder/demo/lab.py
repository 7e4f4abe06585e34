"""Executing a whole notebook, training included, with its progress on the screen."""

from __future__ import annotations

import html
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from rich.console import Console

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
    client = _Client(
        notebook,
        timeout=CELL_SECONDS,
        skip_cells_with_tag="",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    number, section = 0, ""
    with client.setup_kernel(env={**os.environ, **environment}, stderr=subprocess.DEVNULL):
        for index, cell in enumerate(notebook.cells):
            section = _heading(cell) or section
            if cell.cell_type != "code":
                continue
            number += 1
            with Progress(console, f"cell {number:2d} of {count}  {section}") as progress:
                client.say = progress.say
                try:
                    client.execute_cell(cell, index, execution_count=number)
                except CellExecutionError as error:
                    reason = f"{error.ename}: {error.evalue}"
                    raise LabFailed(f"cell {number} ({section}) {reason}") from None
                except (CellTimeoutError, DeadKernelError) as error:
                    raise LabFailed(f"cell {number} ({section}) {error}".splitlines()[0]) from None
    return notebook, time.monotonic() - started


class _Client(NotebookClient):
    """A client that passes on what a cell says while it runs."""

    say: Callable[[str], None]

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        if text := _said(msg):
            self.say(text)
        return super().process_message(msg, cell, cell_index)


def _said(message: dict[str, Any]) -> str:
    """What a cell prints, or what a widget (a progress bar) now says."""
    content = message["content"]
    if message["msg_type"] == "stream":
        return content["text"]
    value = (
        content.get("data", {}).get("state", {}).get("value") if message["msg_type"] == "comm_msg" else None
    )
    return html.unescape(value) if isinstance(value, str) and "<" not in value else ""


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
