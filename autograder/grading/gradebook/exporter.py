"""Reads a submission for nbgrader, and puts the blank release in the place of a file that is no notebook."""

from __future__ import annotations

import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbconvert.exporters import Exporter, NotebookExporter

from autograder.notebooks.handed_in import find_notebook
from autograder.notebooks.reading import Unreadable

from .one_copy import OneCopy

if TYPE_CHECKING:
    from autograder.grading.graders import WarmGraders

IDLE_SECONDS = 60.0  # then the memory of the warm processes is given back


def converter_of(component: Any) -> Any:
    """The nbgrader converter that ``component`` is a part of."""
    while getattr(component, "coursedir", None) is None:
        component = component.parent
    return component


def path_in(step: str, component: Any, resources: Any) -> Path:
    """The folder of a submission in a step ("submitted", "autograded", "source", ...)."""
    coursedir, ids = converter_of(component).coursedir, resources["nbgrader"]
    return Path(
        coursedir.format_path(getattr(coursedir, f"{step}_directory"), ids["student"], ids["assignment"])
    )


def release_of(component: Any, resources: Any) -> Path:
    """The released notebook a submission belongs to."""
    coursedir, ids = converter_of(component).coursedir, resources["nbgrader"]
    folder = coursedir.format_path(coursedir.release_directory, ".", ids["assignment"])
    return Path(folder) / f"{ids['notebook']}.ipynb"


class SubmissionExporter(OneCopy, NotebookExporter):
    """nbconvert's notebook exporter with a forgiving reader.

    An unreadable file must not end as "could not be processed": the learner gets a graded notebook, with 0 points and
    the reason on every exercise. nbgrader makes one exporter a run, which therefore keeps the graders warm.
    """

    @cached_property
    def warm(self) -> WarmGraders:
        """The lab's warm processes; they end after a pause, with this exporter or with the program."""
        from autograder.grading.graders import WarmGraders  # brings torch, which not every exporter needs

        warm = WarmGraders(IDLE_SECONDS)
        weakref.finalize(self, warm.close)
        return warm

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        """Read a notebook; of a submission, whatever was handed in for it, whose name may be another."""
        if Path(filename).parent != path_in("submitted", self, resources):
            return super().from_filename(filename, resources=resources, **kw)
        return self.from_notebook_node(self._handed_in(filename, resources), resources=resources, **kw)

    def sanitised(self, filename: str, resources: Any) -> tuple[Any, Any]:
        """What `from_filename` makes of a submission, as a notebook instead of its JSON."""
        return Exporter.from_notebook_node(self, self._handed_in(filename, resources), resources)

    def _preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        nb, resources = super()._preprocess(nb, resources)
        self._validate_preprocessor(nb, "the last one")
        return nb, resources

    def _handed_in(self, filename: str, resources: Any) -> Any:
        folder, release = Path(filename).parent, release_of(self, resources)
        try:
            notebook, resources["repairs"] = find_notebook(folder, release)
        except Unreadable as error:
            notebook = nbformat.read(release, as_version=4)
            resources["unreadable"] = str(error)
        resources["metadata"] = {"name": release.stem, "path": str(folder)}
        return notebook
