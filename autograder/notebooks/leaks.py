"""Does anything of the instructor's lie in labs/: a master, a solution, a hidden test, an output?"""

from __future__ import annotations

import json
import re
from pathlib import Path

_REGION = re.compile(
    r"^[^\n]*BEGIN (SOLUTION|HIDDEN TESTS)[^\n]*\n(.*?)^[^\n]*END \1", re.MULTILINE | re.DOTALL
)


def leaks(root: Path) -> list[str]:
    """One line for each thing in labs/ that learners must not see."""
    found = [f"{path.relative_to(root)} is a master" for path in sorted((root / "labs").rglob("*.py"))]
    for notebook in sorted((root / "labs").rglob("*.ipynb")):
        found += [f"{notebook.relative_to(root)}: {leak}" for leak in _in_notebook(notebook, root)]
    return found


def _in_notebook(path: Path, root: Path) -> list[str]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    text = "\n".join(sources)
    lines = {line.strip() for line in text.splitlines()}
    found = [
        f"contains {mark}"
        for mark in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "hidden=True")
        if mark in text
    ]
    if "jupytext" in notebook["metadata"]:
        found.append("is still paired with its master")
    found += ["a cell has outputs" for cell in notebook["cells"] if cell.get("outputs")]
    for line in sorted(secret_lines(root / "solutions" / path.parent.name)):
        if line in lines:
            found.append(f"a line of a solution: {line}")
    return found


def secret_lines(folder: Path) -> set[str]:
    """Lines of code that stand only inside the solutions and hidden tests of a lab's masters."""
    secret, public = set(), set()
    for master in folder.glob("*.py"):
        text = master.read_text(encoding="utf-8")
        for region in _REGION.finditer(text):
            secret |= {line.strip() for line in region[2].splitlines()}
        public |= {line.strip() for line in _REGION.sub("", text).splitlines()}
    return {line for line in secret - public if len(line) > 12 and not line.startswith("#")}
