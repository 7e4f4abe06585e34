"""Reads a submission for nbgrader, and puts the blank release in the place of a file that is no notebook."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter

from autograder.notebooks.submission import Unreadable, read_submission


def release_of(component: Any, resources: Any) -> Path:
    """The released notebook a submission belongs to; ``component`` is anything below an nbgrader converter."""
    while getattr(component, "coursedir", None) is None:
        component = component.parent
    coursedir, ids = component.coursedir, resources["nbgrader"]
    folder = coursedir.format_path(coursedir.release_directory, ".", ids["assignment"])
    return Path(folder) / f"{ids['notebook']}.ipynb"


class SubmissionExporter(NotebookExporter):
    """nbconvert's notebook exporter with a forgiving reader.

    An unreadable file must not end as "could not be processed": the learner gets a graded notebook, with 0 points and
    the reason on every exercise.
    """

    def from_file(self, file_stream: Any, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        """Read the file by its name, since its bytes may be in any encoding."""
        path = Path(file_stream.name)
        try:
            notebook, repairs = read_submission(path)
        except Unreadable as error:
            notebook = copy.deepcopy(nbformat.read(release_of(self, resources), as_version=4))
            resources["unreadable"], repairs = str(error), []
        resources["repairs"] = repairs
        return self.from_notebook_node(notebook, resources=resources, **kw)
