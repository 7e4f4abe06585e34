"""What happens to the file and to the folder it is handed in with."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import nbformat
from mutation import EXERCISES, LAB, NAME, ROOT, Draft, right_end

Handed = dict[str, bytes]  # what lies in the folder


def written(draft: Draft) -> Handed:
    """As Jupyter writes it."""
    return {NAME: json.dumps(draft.notebook, indent=1).encode()}


# --- bytes -----------------------------------------------------------------------------------------------


def _text(draft, **how):
    return json.dumps(draft.notebook, ensure_ascii=False, **{"indent": 1, **how})


def other_encoding(draft):
    encoding = draft.random.choice(
        ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
    )
    return {NAME: _text(draft).encode(encoding, errors="replace")}


def other_layout(draft):
    layout = draft.random.choice(
        [{"indent": None}, {"indent": 4}, {"indent": "\t"}, {"sort_keys": False, "separators": (",", ":")}]
    )
    return {NAME: b"\n\n" + _text(draft, **layout).encode(errors="replace") + b"\r\n"}


def cells_last(draft):
    ordered = {key: draft.notebook[key] for key in sorted(draft.notebook, reverse=True)}
    return {NAME: json.dumps(ordered).encode()}


def bytes_behind(draft):
    return {
        NAME: written(draft)[NAME] + draft.random.choice([b"\0" * 3000, b"}", b"\n{}", written(draft)[NAME]])
    }


def broken_text_cell(draft):
    """A byte is gone in a cell that is no code: the JSON of the file is broken, that of the other cells is not."""
    raw = written(draft)[NAME]
    start = raw.find(b'"cell_type": "markdown"')
    return {
        NAME: raw.replace(b'"cell_type": "markdown"', b'"cell_type": "markdown', 1)
        if start < 0
        else raw[:start] + raw[start + 1 :]
    }


def broken_bytes(draft):
    raw = written(draft)[NAME]
    return {NAME: raw.replace(b"Lab 5", b"Lab \xe2\x82 5", 1)}


def merge_conflict(draft):
    lines = written(draft)[NAME].split(b"\n")
    places = [n for n, line in enumerate(lines) if b'"execution_count"' in line]
    for n in draft.random.sample(places, min(3, len(places))):
        lines[n] = (
            b"<<<<<<< HEAD\n" + lines[n] + b"\n=======\n" + b'   "execution_count": 7,' + b"\n>>>>>>> other"
        )
    return {NAME: b"\n".join(lines)}


def cut_off(draft):
    """Somewhere in the second half: what is behind is lost with it."""
    text = written(draft)[NAME].decode()
    if "worksheets" in draft.notebook:
        return {NAME: text.encode()}
    cut = draft.random.randrange(len(text) // 2, len(text) - 200)
    end, whole = text.index("[", text.index('"cells"')) + 1, []
    for cell in draft.cells:
        _, end = json.JSONDecoder().raw_decode(text, end + len(text[end:]) - len(text[end:].lstrip(" ,\n")))
        whole += [cell] if end <= cut else []
    kept = ["".join(cell["source"]) for cell in whole if isinstance(cell, dict) and cell.get("source")]
    draft.lost |= {name for name in EXERCISES if not any(right_end(name) in source for source in kept)}
    return {NAME: text[:cut].encode()}


# --- folders ---------------------------------------------------------------------------------------------


def renamed(draft):
    names = [
        "lab5 final (2).ipynb",
        "Fast RCNN.IPYNB",
        "fast_rcnn.ipynb.txt",
        "été.ipynb",
        "sub/folder/x.ipynb",
        "fast_rcnn",
        "a.json",
    ]
    return {draft.random.choice(names): written(draft)[NAME]}


def renamed_beside_the_blank_one(draft):
    return {"fast_rcnn-solved.ipynb": written(draft)[NAME], NAME: (ROOT / "labs" / LAB / NAME).read_bytes()}


def zipped(draft):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._x.ipynb", b"\0")
        archive.writestr("lab/notes.txt", "hello")
        archive.writestr(f"lab/{NAME}", written(draft)[NAME])
    return {draft.random.choice(["lab5.zip", NAME]): packed.getvalue()}


def among_others(draft):
    return {
        **written(draft),
        "another.ipynb": b"{}",
        ".ipynb_checkpoints/fast_rcnn-checkpoint.ipynb": b"{",
        "notes.txt": b"hello",
        "own.py": b"x = 1",
        "timestamp.txt": b"2026-01-01 00:00:00 UTC",
        "scene.png": b"\x89PNG",
    }


def as_script(draft):
    """The code alone, as `jupyter nbconvert --to script` writes it."""
    parts = [
        f"# In[ ]:\n\n\n{''.join(cell.get('source', cell.get('input')))}\n\n\n"
        for cell in draft.cells
        if isinstance(cell, dict)
        and cell.get("cell_type") == "code"
        and ("source" in cell or "input" in cell)
    ]
    text = "#!/usr/bin/env python\n# coding: utf-8\n\n" + "".join(parts)
    draft.lost |= {name for name in EXERCISES if right_end(name) not in text}  # retyped cells are no code
    return {draft.random.choice(["fast_rcnn.py", NAME]): text.encode(errors="replace")}


# --- nothing can be graded -------------------------------------------------------------------------------


def _fatal(make):
    def mutate(draft):
        draft.fatal = True
        return make(draft)

    mutate.__name__ = make.__name__
    return mutate


@_fatal
def other_file(draft):
    return {NAME: draft.random.choice([
        b"", b"\n", b"%PDF-1.7", b"<!DOCTYPE html><html><body>Lab 5</body></html>", os.urandom(3000), b"[" * 10**5,
        b"null", b"{}", b'{"cells": {}}', b"PK\x03\x04broken", b"\x1f\x8b\x08", b"Dear instructor,\nlab 5 was fun.",
        b'{"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}}]}', b'"' * 5000, b"\\" * 5000,
    ])}  # fmt: skip


@_fatal
def wrong_lab(draft):
    cells = [
        nbformat.v4.new_code_cell("# exercise 15: box_iou\ndef box_iou(boxes1, boxes2):\n    return boxes1"),
        nbformat.v4.new_code_cell("# check 15: box_iou\ncheck(box_iou)"),
    ]
    other = nbformat.v4.new_notebook(cells=cells, metadata={"lab": "03_localisation/localisation"})
    return {NAME: nbformat.writes(other).encode()}


@_fatal
def nothing(draft):
    return {}


@_fatal
def cut_off_at_once(draft):
    return {NAME: written(draft)[NAME][: draft.random.randrange(1, 200)]}


@_fatal
def zip_bomb(draft):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.ipynb", b" " * (8 << 20))
    return {"lab5.zip": packed.getvalue()}


@_fatal
def a_folder_of_that_name(draft):
    return {f"{NAME}/readme.txt": b"hello"}


def hand_in(handed: Handed, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in handed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


MUTATIONS = [
    other_encoding, other_layout, cells_last, bytes_behind, broken_text_cell, broken_bytes, merge_conflict, cut_off,
    renamed, renamed_beside_the_blank_one, zipped, among_others, as_script,
]  # fmt: skip
FATAL = [other_file, wrong_lab, nothing, cut_off_at_once, zip_bomb, a_folder_of_that_name]
