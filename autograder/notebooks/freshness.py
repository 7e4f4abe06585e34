"""Are the pairs in solutions/ and the notebooks in labs/ what the masters would generate now?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .release import build, lab_names


def stale(root: Path) -> list[str]:
    """One line for each file that differs from what ``autograder release`` would write; empty when all is fresh."""
    found = []
    for lab in lab_names(root):
        with tempfile.TemporaryDirectory() as folder:
            build(root, lab, Path(folder))
            for part in ("solutions", "labs"):
                found += _compare(Path(folder) / part / lab, root / part / lab, f"{part}/{lab}")
    labs = {path.name for path in (root / "labs").glob("*/") if any(path.glob("*.ipynb"))}
    found += [f"labs/{name} has no master in solutions/" for name in sorted(labs - set(lab_names(root)))]
    return found


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".ipynb_checkpoints", "__pycache__"} & set(path.parts)
    }


def _compare(expected: Path, actual: Path, name: str) -> list[str]:
    new, old = _files(expected), _files(actual)
    return [
        f"{name}/{file} "
        + ("is missing" if file not in old else "is left over" if file not in new else "is out of date")
        for file in sorted(new.keys() | old.keys())
        if new.get(file) != old.get(file)
    ]
