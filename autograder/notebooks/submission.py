"""Reading a submitted file, whatever state it is in."""

from __future__ import annotations

import codecs
import json
import uuid
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

LARGEST = 100 * 2**20  # bytes


class Unreadable(ValueError):
    """A submission that is no notebook. The message is one line, meant for learner and instructor."""


def read_submission(path: Path) -> tuple[NotebookNode, list[str]]:
    """The notebook in a file as nbformat 4.5, and what had to be put right to read it.

    Raises:
        Unreadable: not JSON, cut off, too large, or JSON that is no notebook.
    """
    if path.stat().st_size > LARGEST:
        raise Unreadable(
            f"{path.name} is larger than {LARGEST >> 20} MB: clear the outputs and hand it in again"
        )
    text, repairs = _text(path.read_bytes())
    return _notebook(_json(text, path.name), path.name, repairs), repairs


def _text(raw: bytes) -> tuple[str, list[str]]:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace"), [f"the file was saved as {encoding.upper()}"]
    try:
        return raw.decode("utf-8"), []
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace"), ["the file was not saved as UTF-8"]


def _json(text: str, name: str) -> Any:
    if not text.strip():
        raise Unreadable(f"{name} is empty: save the notebook and hand it in again")
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        if text.lstrip().startswith("{") and not text.rstrip().endswith("}"):
            raise Unreadable(f"{name} is cut off after {len(text)} characters: hand it in again") from error
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(
            f"{name} is not a notebook: it is not JSON{where}; download it as .ipynb and hand it in again"
        ) from error


def _notebook(content: Any, name: str, repairs: list[str]) -> NotebookNode:
    if not isinstance(content, dict) or not isinstance(content.get("cells", content.get("worksheets")), list):
        raise Unreadable(f"{name} is JSON but not a notebook: it has no list of cells")
    content.setdefault("nbformat", 4)
    if content["nbformat"] != 4:
        repairs.append(f"the notebook was in format {content['nbformat']}")
        try:
            content = nbformat.convert(nbformat.from_dict(content), 4)
        except Exception as error:
            raise Unreadable(f"{name} is in an unknown notebook format {content['nbformat']!r}") from error
    cells = [_cell(cell) for cell in content["cells"]]
    if None in cells:
        repairs.append(f"{cells.count(None)} entries that are no cells were left out")
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    # Of no use to the grader, and often outside the schema: the session's widgets, and a kernel that is not ours.
    kept = {
        key: value for key, value in metadata.items() if key not in ("widgets", "kernelspec", "language_info")
    }
    notebook = nbformat.from_dict({"metadata": kept, "cells": [cell for cell in cells if cell is not None]})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _cell(cell: Any) -> NotebookNode | None:
    """A clean cell: known type, source as text, metadata as a mapping, an id (Colab keeps it in the metadata)."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if not all(isinstance(tag, str) for tag in _list(metadata.get("tags"))):
        metadata = {key: value for key, value in metadata.items() if key != "tags"}
    known = cell.get("id") or metadata.get("id")
    made = {
        "cell_type": cell["cell_type"],
        "id": known if isinstance(known, str) and known else uuid.uuid4().hex[:8],
        "metadata": metadata,
        "source": source,
    }
    if made["cell_type"] == "code":
        made.update(outputs=[], execution_count=None)
    return nbformat.from_dict(made)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [None] if value is not None else []
