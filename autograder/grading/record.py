"""Writing a result on its cell, so that nbgrader's rule (error: 0, number: that many points) gives the same points."""

from __future__ import annotations

from typing import Any

import nbformat

from autograder.notebooks.cells import NOTE

from .result import OUTCOME, Result


def record(cell: Any, result: Result) -> Result:
    """Write ``result`` on a graded cell: in its metadata, and as the only output nbgrader takes a grade from."""
    cell.metadata[NOTE] = nbformat.from_dict(result.as_dict())
    shown = [_harmless(output) for output in cell.get("outputs", [])]
    if result.reason is None:
        last = [output for output in shown if OUTCOME in output.get("data", {})][-1]
        shown = [output for output in shown if output is last or output.output_type != "execute_result"]
        last.data["text/plain"] = f"{result.points:g}"
        last.data.pop(OUTCOME)  # its values are in the metadata
        cell.outputs = shown
    else:
        cell.outputs = [output for output in shown if output.output_type not in ("execute_result", "error")]
        record_error(cell, result.status, result.reason)
    return result


def record_error(cell: Any, status: str, reason: str) -> None:
    """Add an error output with a reason in one line."""
    name = {"timed_out": "Timed out", "unreadable": "Unreadable"}.get(status, "Crashed")
    text = f"{name}: {reason}"
    cell.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=reason, traceback=[text]))


def recorded(cell: Any) -> Result | None:
    """The result on a cell of a graded notebook."""
    note = cell.metadata.get(NOTE)
    return Result.from_dict(note) if note else None


def _harmless(output: Any) -> Any:
    """Text on stderr stays readable without nbgrader taking it for a failure."""
    if output.output_type == "stream" and output.name == "stderr":
        text = output.text if isinstance(output.text, str) else "".join(output.text)
        return nbformat.v4.new_output("display_data", {"text/plain": text}, metadata={"stream": "stderr"})
    return output
