"""nbconvert's HTML pages, without doing again for every learner what is the same for all."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any

from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

from .one_copy import OneCopy

LONGEST_COLOURED = 10_000  # characters of a cell; there are texts that cost their length squared


class PageExporter(OneCopy, HTMLExporter):
    """Makes the page that HTMLExporter makes of nbgrader's feedback template, several times as fast.

    Most cells are the release's, so their colours are kept. HTMLExporter parses every finished page to give pictures a
    text and to mark parts that this template does not have; here only pages with pictures are parsed.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See HTMLExporter."""
        super().__init__(*arguments, **options)
        self._highlighted = lru_cache(maxsize=1024)(self._highlight)

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """The page of a notebook."""
        language = nb.metadata.get("language_info", {}).get("name")
        resources = self._init_resources(resources)
        widgets = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter(
            "highlight_code", lambda source, *rest, **more: self._highlighted(source, language)
        )
        self.register_filter("filter_data_type", widgets)
        page, resources = TemplateExporter.from_notebook_node(self, nb, resources, **kw)
        return _with_texts(page) if "<img" in page else page, resources

    def _highlight(self, source: str, language: str | None) -> str:
        if len(source) > LONGEST_COLOURED:
            return f'<div class="highlight"><pre>{escape(source)}</pre></div>'
        return Highlight2HTML(pygments_lexer=language, parent=self)(source)


def _with_texts(page: str) -> str:
    """The page, with words for every picture that has none."""
    soup = BeautifulSoup(page, features="html.parser")
    for picture in soup.select("img:not([alt])"):
        picture.attrs["alt"] = "No description has been provided for this image"
    return str(soup)
