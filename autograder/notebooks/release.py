"""From the masters in solutions/ to what learners get in labs/."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .pairing import as_text, pair


def lab_names(root: Path) -> list[str]:
    """The labs that have a master."""
    return sorted({master.parent.name for master in (root / "solutions").glob("*/*.py")})


def build(root: Path, lab: str, into: Path, db_url: str | None = None) -> None:
    """Make ``into/solutions/LAB`` (the pairs and whatever lies beside them) and ``into/labs/LAB``.

    With ``db_url``, nbgrader records the cells and their hidden tests in that gradebook.
    """
    from autograder.grading.gradebook import generate_assignment

    source = into / "solutions" / lab
    shutil.copytree(
        root / "solutions" / lab, source, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
    )
    for master in sorted(source.glob("*.py")):
        master.with_suffix(".ipynb").write_text(as_text(pair(master)), encoding="utf-8")
    shutil.copy(root / "nbgrader_config.py", into)
    generate_assignment(into, lab, db_url)


def release(root: Path, labs: Sequence[str] | None = None, record: bool = True) -> list[Path]:
    """Write the pairs and labs/ of all labs (or of ``labs``); with ``record`` also the gradebook the grader needs.

    Nothing is written for a lab whose release fails.

    Returns:
        the notebooks in labs/ that were written.

    Raises:
        ValueError: there is no such lab, or its master is wrong.
        RuntimeError: nbgrader refused, or its gradebook cannot be written.
        OSError: a folder cannot be written.
    """
    from autograder.grading.gradebook import open_course
    from autograder.grading.publish import publish, staging

    db_url = open_course(root).coursedir.db_url if record else None
    written = []
    for lab in labs or lab_names(root):
        if lab not in lab_names(root):
            raise ValueError(
                f'there is no lab called "{lab}": the labs are {", ".join(lab_names(root)) or "none yet"}'
            )
        with tempfile.TemporaryDirectory() as folder:
            build(root, lab, Path(folder), db_url)
            for notebook in sorted((Path(folder) / "solutions" / lab).glob("*.ipynb")):
                shutil.copyfile(notebook, root / "solutions" / lab / notebook.name)
            stage = staging(root / "labs" / lab)
            shutil.copytree(Path(folder) / "labs" / lab, stage, dirs_exist_ok=True)
            publish(stage, root / "labs" / lab)
        written += sorted((root / "labs" / lab).glob("*.ipynb"))
    return written
