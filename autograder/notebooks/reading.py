"""Reading what was handed in as a notebook, whatever state it is in."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from typing import Any

from nbformat import NotebookNode

from .cells import recovery
from .normalise import NoNotebook, normalise
from .skim import Skimmed, TooMuch, skim

LARGEST = 256 * 2**20  # bytes of a file
LARGEST_TEXT = 48 * 2**20  # bytes without the outputs

_KINDS = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
_HTML = re.compile(rb"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)
_SCRIPT_CELL = re.compile(r"^# (?:%%.*|In ?\[.*\]:?|<codecell>)$", re.MULTILINE)


class Unreadable(ValueError):
    """A file that is no notebook. The message is one line, meant for learner and instructor."""


def read_notebook(raw: bytes, name: str) -> tuple[NotebookNode, list[str]]:
    """The notebook in a file's bytes as nbformat 4.5, without outputs, and what was put right to read it.

    Raises:
        Unreadable: something else than a notebook, or one of which no cell is whole.
    """
    if len(raw) > LARGEST:
        raise Unreadable(f"{name} is larger than {LARGEST >> 20} MB: clear the outputs and hand it in again")
    if not raw.strip(b" \t\r\n\0"):
        raise Unreadable(f"{name} is empty: save the notebook and hand it in again")
    for start, kind in _KINDS.items():
        if raw.startswith(start):
            raise Unreadable(f"{name} is not a notebook but {kind}: hand in the .ipynb file itself")
    raw, repairs = _utf8(raw)
    if _HTML.match(raw):
        raise Unreadable(
            f"{name} is not a notebook but a web page (HTML): download it as .ipynb and hand it in again"
        )
    content = _script(raw) if not raw[:64].lstrip().startswith((b"{", b"[")) else None
    if content:
        repairs.append("a Python file was handed in instead of a notebook; its code was taken")
    else:
        content = _json(raw, name, repairs)
    try:
        notebook, more = normalise(content)
    except NoNotebook as error:
        raise Unreadable(f"{name} {error}") from error
    return notebook, repairs + more


def _utf8(raw: bytes) -> tuple[bytes, list[str]]:
    """The same text in UTF-8; single bytes that are not are `_text`'s business, when the outputs are gone."""
    encoding = json.detect_encoding(raw[:4])
    if encoding == "utf-8":
        return raw, []
    chunks = (raw[start : start + 2**20] for start in range(0, len(raw), 2**20))
    text = codecs.iterdecode(chunks, encoding, errors="replace")
    return b"".join(part.encode(errors="replace") for part in text), [
        f"the file was saved as {encoding.upper()}"
    ]


def _text(raw: bytes, repairs: list[str]) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="replace")
        if re.search("[^\x00-\x7f\ufffd]", text):  # some of it is UTF-8, so all of it was
            repairs.append("some characters were damaged")
            return text
        repairs.append("the file was not saved as UTF-8")
        return raw.decode("cp1252", errors="replace")


def _script(raw: bytes) -> dict[str, Any] | None:
    """A Python file as one code cell for each of its marked parts; nothing if it does not look like one of a lab."""
    text = _text(raw[:LARGEST_TEXT], []).replace("\r\n", "\n")
    if not (_SCRIPT_CELL.search(text) or recovery(text)):
        return None
    return {"cells": [{"cell_type": "code", "source": part.strip("\n")} for part in _SCRIPT_CELL.split(text)]}


def _json(raw: bytes, name: str, repairs: list[str]) -> Any:
    """The parsed file; of a damaged one its whole cells."""
    if b"\n<<<<<<< " in raw:
        raw = _first_version(raw)
        repairs.append("an unresolved merge was in the file; the first of the two versions was taken")
    try:
        skimmed = skim(raw)
        if len(skimmed.whole) > LARGEST_TEXT:
            raise TooMuch(f"more than {LARGEST_TEXT >> 20} MB besides its outputs")
        try:
            return json.loads(_text(skimmed.whole, repairs), strict=False)
        except ValueError as error:
            cells = max(_whole_cells(skimmed), _whole_cells(skim(raw, by_lines=True)), key=len)
            if not cells:
                raise Unreadable(_what_is_wrong(raw, name, skimmed.complete, error)) from error
    except TooMuch as error:
        raise Unreadable(
            f"{name} is not a notebook that can be read: {error}; clear the outputs, take out what is pasted in"
        ) from error
    what = "is damaged" if skimmed.complete else "is cut off"
    repairs.append(f"{name} {what}; whole cells found in it: {len(cells)}")
    return {"cells": cells}


def _first_version(raw: bytes) -> bytes:
    """The text without the marks and the second versions of a merge that git could not do."""
    kept: list[bytes] = []
    inside = second = False
    for line in raw.splitlines(keepends=True):
        if line.startswith((b"<<<<<<< ", b">>>>>>> ")):
            inside, second = line.startswith(b"<"), False
        elif inside and line.startswith((b"=======", b"|||||||")):
            second = True
        elif not second:
            kept.append(line)
    return b"".join(kept)


def _what_is_wrong(raw: bytes, name: str, complete: bool, error: ValueError) -> str:
    if not complete and raw[:64].lstrip().startswith(b"{"):
        return f"{name} is cut off after {len(raw)} bytes, no cell is whole: hand it in again"
    where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
    return f"{name} is not a notebook: it is not JSON{where}; download it as .ipynb and hand it in again"


def _whole_cells(skimmed: Skimmed) -> list[Any]:
    cells = []
    for piece in skimmed.cells:
        with contextlib.suppress(ValueError):
            cells.append(json.loads(_text(piece, []), strict=False))
    return cells
