"""The copy of the course that student code may see while a lab is graded: everything but its answers.

In the view, each file of `detseg` that holds a reference of the lab has its functions emptied, and `autograder` is a
shim whose `check` does nothing (the checker runs elsewhere) beside the few files the student process needs.
"""

from __future__ import annotations

import ast
import inspect
import shutil
from pathlib import Path

import detseg

from ..exercises import load, names

_SHIM = '''"""Stands for the course's autograder while a notebook is graded: the checks run in another process."""


class Outcome:
    """Nothing is known here of the outcome."""


def check(function, name=None, hidden=False, seed=None):
    return None


def hint(name, number=None):
    return None


def verified(function, name=None):
    return function
'''

_NO_PICTURES = '''"""Stands for detseg.viewing while a notebook is graded: nothing is drawn."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *arguments, **options: None
'''

# what the student process is made of, relative to the autograder package
_RUNTIME = (
    "isolation/__init__.py", "isolation/zygote.py", "isolation/jail.py", "isolation/linux.py", "isolation/seccomp.py",
    "isolation/student.py", "isolation/protocol.py", "isolation/channel.py", "isolation/withheld.py",
    "checking/delegation.py", "checking/device.py", "checking/pretend_gpu.py", "checking/tensors.py",
)  # fmt: skip


def write_student_view(folder: Path, lab: str) -> Path:
    """Write the view of a lab into an empty ``folder``; it is what goes first on the student's ``sys.path``."""
    library = Path(inspect.getfile(detseg)).parent
    shutil.copytree(
        library, folder / "detseg", ignore=shutil.ignore_patterns("__pycache__", "viewing", "*.npz")
    )
    for path in reference_files(lab):
        copy = folder / "detseg" / path.relative_to(library)
        copy.write_text(emptied(path.read_text()))
    (folder / "detseg" / "viewing").mkdir()
    (folder / "detseg" / "viewing" / "__init__.py").write_text(_NO_PICTURES)

    package = Path(__file__).parents[1]
    (folder / "autograder" / "checking").mkdir(parents=True)
    (folder / "autograder" / "isolation").mkdir()
    (folder / "autograder" / "__init__.py").write_text(_SHIM)
    (folder / "autograder" / "checking" / "__init__.py").write_text("")
    for name in _RUNTIME:
        shutil.copyfile(package / name, folder / "autograder" / name)
    for path in (folder, *folder.rglob("*")):  # another user than ours is to read it
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def reference_files(lab: str) -> list[Path]:
    """The files of the library that hold the answers of a lab."""
    exercises = (load(name) for name in names())
    files = {Path(inspect.getfile(exercise.oracle)) for exercise in exercises if exercise.lab == lab}
    return sorted(files)


def emptied(source: str) -> str:
    """The module with all its functions and methods raising instead of computing."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            message = f"the library's {node.name} is not here while this lab is graded: call your own"
            node.body = ast.parse(f"raise NameError({message!r})").body
    return ast.unparse(tree)
