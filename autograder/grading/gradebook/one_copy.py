"""nbconvert's steps on one copy of a notebook; by itself nbconvert makes two more, and validates after the steps."""

from __future__ import annotations

from typing import Any

from nbconvert.exporters import Exporter


class OneCopy(Exporter):
    """An exporter whose preprocessors work on the copy that `from_notebook_node` has made."""

    def _preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        return nb, resources
