"""A submission as instructors may open it: what a learner put around the code cannot act on whoever looks at it.

A markdown cell stays as it is when nothing of it would be taken away on a page; otherwise it is shown as text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from nbformat import NotebookNode

from .safe_html import loses_nothing, markdown_to_html

LONGEST = 20_000  # characters of a markdown cell: the parser's time grows faster than that
# the first bytes of the pictures that a page may show
_PICTURES = {
    ".png": b"\x89PNG",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
    ".gif": b"GIF8",
    ".webp": b"RIFF",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_INSTEAD = "*This cell holds HTML or links that are not shown on a page. Its text:*"


def make_harmless(notebook: NotebookNode) -> None:
    """Take from a submission, read by `read_notebook` and repaired, what would act on a page made of it."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cell.source = harmless_text(cell.source, tuple(cell.get("attachments", ())))
            cell.cell_type = "markdown"  # a raw cell would go to the page unread


def harmless_text(source: str, attached: tuple[str, ...] = ()) -> str:
    """The markdown itself if a page would show all of it, else the same text as a block of code."""
    return source if _is_harmless(source, attached) else f"{_INSTEAD}\n\n{_block(source)}"


def keep_pictures(folder: Path) -> None:
    """Remove from a graded submission's folder what is neither notebook nor picture.

    The Formgrader serves the folder with the instructor's rights: a page in it could do all that the instructor can.
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.is_symlink() or not (
            _is_picture(path) or path.suffix == ".ipynb" or path.name == "timestamp.txt"
        ):
            path.unlink()


@lru_cache(maxsize=1024)  # most cells are the release's
def _is_harmless(source: str, attached: tuple[str, ...]) -> bool:
    if len(source) > LONGEST:
        return False
    try:
        return loses_nothing(markdown_to_html(source, {name: {"image/png": ""} for name in attached}))
    except Exception:  # whatever the parser makes of it, a page would fail as well
        return False


def _block(source: str) -> str:
    if len(source) > LONGEST:
        source = source[:LONGEST] + "\n… (cut)"
    source = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", source)
    longest = max((len(run) for run in re.findall("`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{source}\n{fence}"


def _is_picture(path: Path) -> bool:
    mark = _PICTURES.get(path.suffix.lower())
    if mark is None:
        return False
    with path.open("rb") as file:
        return file.read(len(mark)) == mark
