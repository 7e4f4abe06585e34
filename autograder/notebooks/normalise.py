"""From what any tool writes as a notebook to nbformat 4.5, with no more in it than the grader needs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import nbformat
from nbformat import NotebookNode

from .cells import in_one_line

MOST_CELLS = 5000
MOST_TEXT = 5 * 2**20  # characters of all cells

_PICTURE = re.compile(r"image/(png|jpeg|gif|webp)")


class NoNotebook(ValueError):
    """JSON that is no notebook. The message goes on after a file's name."""


def normalise(content: Any) -> tuple[NotebookNode, list[str]]:
    """The notebook in parsed JSON, and what was put right.

    Formats 3 and 4, Colab's ids in the metadata, Deepnote's sources that are one string, cells no schema knows. Of the
    metadata only the lab's name and the grade ids are kept: they help to find the cells, the repair puts the rest back.

    Raises:
        NoNotebook: there is no list of cells, or they are very many or very long.
    """
    if not isinstance(content, dict) or not isinstance(content.get("cells", content.get("worksheets")), list):
        raise NoNotebook("is JSON but not a notebook: it has no list of cells")
    found = list(_cells(content))
    if len(found) > MOST_CELLS:
        raise NoNotebook(f"has {len(found)} cells; at most {MOST_CELLS} are read")
    repairs = []
    if content.get("nbformat", 4) != 4:
        repairs.append(f"the notebook was in format {in_one_line(str(content['nbformat']), 20)}")
    cells = [_cell(cell) for cell in found]
    if None in cells:
        repairs.append(f"{cells.count(None)} entries that are no cells were left out")
    length = sum(len(cell.source) for cell in cells if cell is not None)
    if length > MOST_TEXT:
        raise NoNotebook(
            f"has {length:,} characters of text and code: read data from a file instead of a cell"
        )
    metadata = _dict(content.get("metadata"))
    language = _dict(metadata.get("kernelspec")).get("language", "python")
    if isinstance(language, str) and language.strip().lower() not in ("python", ""):
        repairs.append(
            f"the notebook said that it is written in {in_one_line(language, 40)}; it was graded as Python"
        )
    notebook = NotebookNode(cells=[cell for cell in cells if cell is not None], metadata=NotebookNode())
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    if isinstance(lab := metadata.get("lab"), str):
        notebook.metadata["lab"] = _clean(lab)
    return notebook, repairs


def _cells(content: dict[str, Any]) -> Iterator[Any]:
    """The cells, in format 3 those of all worksheets."""
    for part in [content, *_list(content.get("worksheets"))]:
        yield from _list(_dict(part).get("cells"))


def _cell(cell: Any) -> NotebookNode | None:
    """A clean cell: known type, source as text, an id, a grade id if it had one."""
    source = _source(cell)
    if source is None:
        return None
    metadata = _dict(cell.get("metadata"))
    known = cell.get("id") or metadata.get("id")  # Colab keeps it in the metadata
    named = isinstance(known, str) and re.fullmatch(r"[\w-]{1,64}", known, re.ASCII)
    grade_id = _dict(metadata.get("nbgrader")).get("grade_id")
    clean = {
        "cell_type": "raw",
        "id": known if named else uuid.uuid4().hex[:8],
        "metadata": {"nbgrader": {"grade_id": _clean(grade_id)}} if isinstance(grade_id, str) else {},
        "source": source,
    }
    kind = str(cell.get("cell_type")).lower()
    if kind == "code" or (kind != "markdown" and "outputs" in cell):
        clean.update(cell_type="code", outputs=[], execution_count=None)
    elif kind == "markdown":
        clean["cell_type"] = "markdown"
        if pictures := _pictures(cell.get("attachments")):
            clean["attachments"] = pictures
    elif kind == "heading":  # of format 3
        clean.update(cell_type="markdown", source=f"# {source}")
    return nbformat.from_dict(clean)


def _source(cell: Any) -> str | None:
    """The text of a cell; nothing if it has none."""
    source = _dict(cell).get("source", _dict(cell).get("input"))  # "input": format 3
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    return _clean(source).replace("\r\n", "\n").replace("\r", "\n")


def _pictures(attachments: Any) -> dict[str, dict[str, str]]:
    """The pictures pasted into a text cell; nothing that a browser would run."""
    return {
        _clean(name): {kind: data}
        for name, kinds in _dict(attachments).items()
        for kind, data in _dict(kinds).items()
        if _PICTURE.fullmatch(kind) and isinstance(data, str) and re.fullmatch(r"[\w+/=\s]*+", data, re.ASCII)
    }


def _clean(text: str) -> str:
    """Without halves of surrogate pairs, which no file can be written with."""
    return text.encode(errors="replace").decode()


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
