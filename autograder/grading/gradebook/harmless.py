"""The last sanitising step: what a learner put around the code cannot act on whoever opens the graded notebook."""

from __future__ import annotations

import re
from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.isolation.text import plain
from autograder.notebooks.harmless import keep_pictures, make_harmless

from .exporter import path_in

# for nbgrader_config.py: pages made from notebooks, feedback and the Formgrader's, clean what they show once more
PAGE_FILTERS = {
    "markdown2html": "autograder.notebooks.safe_html.markdown_filter",
    "clean_html": "autograder.notebooks.safe_html.clean_output",
}


class Harmless(NbGraderPreprocessor):
    """Makes the notebook, and the files that nbgrader copied beside it, safe to open."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Clean one submission.

        Raises:
            ValueError: the student's folder has a name that nbgrader's pages, which do not escape it, must not show.
        """
        student = resources["nbgrader"]["student"]
        if not re.fullmatch(r"[\w.@+ -]{1,100}", student):
            raise ValueError(
                f"submitted/{plain(student, 100)}: rename the folder: letters, digits, spaces and . _ @ + - will do"
            )
        make_harmless(nb)
        keep_pictures(path_in("autograded", self, resources))
        return nb, resources
