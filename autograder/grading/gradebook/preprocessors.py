"""Our steps among nbgrader's: ForgetMaster at the release, Repair before sanitising, ExecuteSubmission for Execute."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

import nbformat
from nbgrader import preprocessors as stock
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import find_all_files
from traitlets import Bool, Float

from autograder.grading.files import Files, files_beside, links_below
from autograder.grading.limits import Limits
from autograder.grading.record import record
from autograder.grading.result import Result
from autograder.grading.submission import digest_of
from autograder.notebooks.cells import NOTE, exercise_name, grade_id, is_grade, marks
from autograder.notebooks.released import read_release
from autograder.notebooks.repair import repair

from .exporter import converter_of, path_in, release_of
from .harmless import Harmless
from .rows import OverwriteCells, SaveGrades


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
        nb, more = repair(nb, read_release(release_of(self.parent, resources)))
        report += more
        report += self._without_links(resources)
        unreadable = resources.get("unreadable")
        nb.metadata[NOTE] = nbformat.from_dict({"repairs": report, "unreadable": unreadable})
        if unreadable or report:
            nb.cells.insert(0, nbformat.v4.new_markdown_cell(_notice(report, unreadable), id="grader-notice"))
        return nb, resources

    def _without_links(self, resources: Any) -> list[str]:
        """What of the files handed in is left out; nbgrader has copied even what links point to."""
        submitted = path_in("submitted", self, resources)
        for name in links_below(submitted):
            (path_in("autograded", self, resources) / name).unlink(missing_ok=True)
        return files_beside(submitted)[1]


def _notice(report: list[str], unreadable: str | None) -> str:
    if unreadable:
        return f"**This submission could not be read.** {unreadable}. What follows is the blank lab."
    return "**The grader repaired this notebook:**\n\n" + "\n".join(f"- {line}" for line in report)


class ExecuteSubmission(NbGraderPreprocessor):
    """Runs the notebook in the jail and writes the results on its graded cells."""

    unsafe = Bool(False, help="run learners' code without a jail, with the grader's own rights").tag(
        config=True
    )
    cell_seconds = Float(30.0, help="deadline for one cell, in seconds").tag(config=True)
    exercise_seconds = Float(90.0, help="deadline for the checks of one exercise, in seconds").tag(
        config=True
    )
    submission_seconds = Float(300.0, help="deadline for a whole notebook, in seconds").tag(config=True)

    @property
    def limits(self) -> Limits:
        """The deadlines."""
        return Limits(self.cell_seconds, self.exercise_seconds, self.submission_seconds)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade one sanitised notebook."""
        from autograder.grading.execute import execute_kept_warm  # brings torch: not for a release

        if mark_unreadable(nb):
            return nb, resources
        nb, _ = execute_kept_warm(
            nb,
            self.parent.warm,
            resources["nbgrader"]["assignment"],
            self.unsafe,
            seed=submission_seed(
                digest_of(path_in("submitted", self, resources)), Path(converter_of(self).coursedir.root)
            ),
            limits=self.limits,
            files=files_of(self, resources),
        )
        return nb, resources


def mark_unreadable(nb: Any) -> bool:
    """Whether the submission was unreadable: then there is nothing to run, and each graded cell says why."""
    reason = nb.metadata[NOTE].get("unreadable")
    for cell in filter(is_grade, nb.cells if reason else ()):
        name, possible = exercise_name(grade_id(cell) or ""), float(marks(cell)["points"])
        record(cell, Result(name, 0.0, possible, "unreadable", reason=reason))
    return bool(reason)


def files_of(component: Any, resources: Any) -> Files:
    """What lies beside a notebook while it runs: what was handed in, and the instructor's files in its place."""
    files = dict(files_beside(path_in("submitted", component, resources))[0])
    converter, lab = converter_of(component), resources["nbgrader"]["assignment"]
    source = path_in("source", component, {"nbgrader": {"student": ".", "assignment": lab}})
    learners_own = converter.exclude_overwriting.get(lab, [])
    for path in map(Path, find_all_files(str(source), [*converter.coursedir.ignore, "*.ipynb"])):
        name = str(path.relative_to(source))
        if name not in learners_own:
            files[name] = path.read_bytes()
    return files


def submission_seed(digest: str, root: Path) -> int:
    """The seed of the hidden cases: from the instructor's secret and the digest of all that was handed in.

    The same submission is always graded with the same cases. Showing the number gives nothing away, since a changed
    submission, be it by a file beside the notebook, meets other cases. The secret is AUTOGRADER_SEED, or else made once
    and kept beside the gradebook.
    """
    secret = os.environ.get("AUTOGRADER_SEED") or _kept_secret(root / "gradebook.db.seed")
    return int.from_bytes(hashlib.sha256(f"{secret}\n{digest}".encode()).digest()[:4]) % 10**6


def _kept_secret(path: Path) -> str:
    """What is in the file. A new one is there as a whole or not at all: an empty secret is one that learners know."""
    if not path.exists():
        new = path.with_name(f"{path.name}.new")
        new.touch(mode=0o600)
        new.write_text(secrets.token_hex(16), encoding="utf-8")
        new.replace(path)
    return path.read_text(encoding="utf-8")


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
    OverwriteCells,  # all marks are the release's by now: `released_notebooks` checks them
    Harmless,
]
RECORD = [stock.LimitOutput, SaveGrades, stock.AssignLatePenalties]
AUTOGRADE = [ExecuteSubmission, *RECORD]
