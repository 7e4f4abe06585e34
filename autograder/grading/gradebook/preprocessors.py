"""Our steps among nbgrader's: ForgetMaster at the release, Repair before sanitising, ExecuteSubmission for Execute."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbgrader import preprocessors as stock
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float

from autograder.grading.execute import Limits, execute
from autograder.grading.record import record
from autograder.grading.result import Result
from autograder.notebooks.cells import NOTE, exercise_name, grade_id, is_grade, marks
from autograder.notebooks.repair import repair

from .exporter import release_of


class ForgetMaster(NbGraderPreprocessor):
    """Takes the pairing with the master off a release: with it, JupyterLab refuses to open the learner's notebook."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Drop jupytext's metadata and name the lab, which tells a renamed or misplaced file."""
        nb.metadata.pop("jupytext", None)
        ids = resources["nbgrader"]
        nb.metadata["lab"] = f"{ids['assignment']}/{ids['notebook']}"
        return nb, resources


class Repair(NbGraderPreprocessor):
    """Finds the graded cells again; what it did is noted in the notebook and shown at its top."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Repair one submission."""
        report = list(resources.get("repairs", []))
        path = release_of(self.parent, resources)
        if path.is_file():
            nb, more = repair(nb, nbformat.read(path, as_version=4))
            report += more
        unreadable = resources.get("unreadable")
        nb.metadata[NOTE] = nbformat.from_dict({"repairs": report, "unreadable": unreadable})
        if unreadable or report:
            nb.cells.insert(0, nbformat.v4.new_markdown_cell(_notice(report, unreadable), id="grader-notice"))
        return nb, resources


def _notice(report: list[str], unreadable: str | None) -> str:
    if unreadable:
        return f"**This submission could not be read.** {unreadable}. What follows is the blank lab."
    return "**The grader repaired this notebook:**\n\n" + "\n".join(f"- {line}" for line in report)


class ExecuteSubmission(NbGraderPreprocessor):
    """Runs the notebook and writes the results on its graded cells."""

    cell_seconds = Float(120.0, help="deadline for one cell, in seconds").tag(config=True)
    submission_seconds = Float(900.0, help="deadline for a whole notebook, in seconds").tag(config=True)
    start_seconds = Float(120.0, help="deadline for the start of a kernel, in seconds").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade one sanitised notebook."""
        seed = submission_seed(nb, Path(_coursedir(self).root))
        self.run(nb, Path(resources["metadata"]["path"]), seed)
        return nb, resources

    def run(self, nb: Any, files: Path, seed: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Grade a sanitised notebook in a private copy of the folder ``files``; touches no gradebook."""
        if reason := nb.metadata[NOTE].get("unreadable"):
            for cell in filter(is_grade, nb.cells):
                possible = float(marks(cell)["points"])
                record(
                    cell,
                    Result(exercise_name(grade_id(cell) or ""), 0.0, possible, "unreadable", reason=reason),
                )
            return
        limits = Limits(self.start_seconds, self.cell_seconds, self.submission_seconds)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            if files.is_dir():  # it does not exist when nothing was handed in beside the notebook
                shutil.copytree(
                    files, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.ipynb"), symlinks=True
                )
            execute(nb, Path(folder), seed, limits, stopped)


def submission_seed(nb: Any, root: Path) -> int:
    """The seed of the hidden cases: from the instructor's secret and the learner's code.

    The same submission is always graded with the same cases. Showing the number gives nothing away, since a changed
    submission meets other cases. The secret is AUTOGRADER_SEED, or else made once and kept beside the gradebook.
    """
    secret = os.environ.get("AUTOGRADER_SEED") or _kept_secret(root / "gradebook.db.seed")
    code = json.dumps([cell.source for cell in nb.cells if cell.cell_type == "code"])
    return int.from_bytes(hashlib.sha256(f"{secret}\n{code}".encode()).digest()[:4]) % 10**6


def _kept_secret(path: Path) -> str:
    try:
        with path.open("x", encoding="utf-8") as file:
            os.chmod(path, 0o600)
            file.write(secrets.token_hex(16))
    except FileExistsError:
        pass
    return path.read_text(encoding="utf-8")


def _coursedir(component: Any) -> Any:
    while getattr(component, "coursedir", None) is None:
        component = component.parent
    return component.coursedir


GENERATE_ASSIGNMENT = [
    stock.IncludeHeaderFooter,
    stock.LockCells,
    stock.ClearSolutions,
    stock.ClearOutput,
    stock.CheckCellMetadata,
    stock.ComputeChecksums,
    stock.SaveCells,
    stock.ClearHiddenTests,
    stock.ClearMarkScheme,
    stock.ComputeChecksums,
    stock.CheckCellMetadata,
    ForgetMaster,
]
SANITIZE = [
    Repair,
    stock.ClearOutput,
    stock.DeduplicateIds,
    stock.OverwriteKernelspec,
    stock.OverwriteCells,
    stock.CheckCellMetadata,
]
RECORD = [stock.LimitOutput, stock.SaveAutoGrades, stock.AssignLatePenalties, stock.CheckCellMetadata]
AUTOGRADE = [ExecuteSubmission, *RECORD]
