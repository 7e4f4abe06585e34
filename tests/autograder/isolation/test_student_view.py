# ruff: noqa: E501 - probes and tables
"""What a student process finds on disk instead of the course: no answer of the lab, none of the mistakes we know."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import detseg
from autograder.exercises import load, names
from autograder.isolation.student_view import emptied, reference_files, write_student_view

LAB = "05_fast_rcnn"


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return write_student_view(tmp_path_factory.mktemp("view") / "view", LAB)


@pytest.fixture(scope="module")
def text(view):
    return "\n".join(path.read_text() for path in view.rglob("*.py"))


def body_lines(source):
    """Lines of the functions' bodies that say something of their own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for statement in node.body:
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                    yield from (
                        line.strip() for line in ast.unparse(statement).splitlines() if len(line.strip()) > 25
                    )


def test_no_line_of_a_reference_is_in_the_view(view):
    files = reference_files(LAB)
    assert {path.stem for path in files} >= {"roi_pool", "smooth_l1", "spatial_pyramid_pool"}
    library = Path(detseg.__file__).parent
    others = [path for path in library.rglob("*.py") if path not in files and "viewing" not in path.parts]
    shared = "\n".join(ast.unparse(ast.parse(path.read_text())) for path in others)
    found = "\n".join(ast.unparse(ast.parse(path.read_text())) for path in view.rglob("*.py"))
    own = {line for path in files for line in body_lines(path.read_text()) if line not in shared}
    assert len(own) > 50
    assert {line for line in own if line in found} == set()


def test_no_exercise_and_no_misconception_is_in_the_view(view, text):
    assert not list(view.rglob("exercises"))
    assert not list(view.rglob("examine.py"))
    for name in names():
        exercise = load(name)
        if exercise.lab == LAB:
            for misconception in exercise.misconceptions:
                assert misconception.advice not in text


def test_the_references_raise_and_the_rest_works(view):
    code = """
import torch
from detseg.boxes import box_iou
print(float(box_iou(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[0., 0, 2, 2]]))))
from autograder import check, hint, verified
print(check(len), hint("x"), verified(len))
from detseg import viewing
viewing.show_anything(5)
from detseg.layers import roi_pool
for wrong in (lambda: roi_pool(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), 2, 1.0),):
    try:
        wrong()
    except NameError as error:
        print(error)
"""
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(view), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [
        "1.0", "None None <built-in function len>",
        "the library's roi_pool is not here while this lab is graded: call your own",
    ]  # fmt: skip


def test_emptied_functions_keep_their_signatures_and_lose_everything_else():
    source = 'A = 3\n\n\ndef f(x: int, *, y=A):\n    """Doc."""\n    # why\n    return x + secret(y)\n\n\nclass C:\n    def g(self):\n        return 42\n'
    left = emptied(source)
    assert "def f(x: int, *, y=A):" in left
    for word in ("secret", "42", "why", "Doc"):
        assert word not in left
    space: dict = {}
    exec(left, space)
    with pytest.raises(NameError, match="library's f is not here"):
        space["f"](1)
    with pytest.raises(NameError, match="library's g"):
        space["C"]().g()


def test_the_jailed_process_can_import_neither_answers_nor_grader(student):
    found = student("run", label="cell 0", source="""
import importlib
for name in ("torchvision.ops", "torchvision._C", "pycocotools.mask", "nbgrader.api", "autograder.exercises", "autograder.grading",
             "autograder.checking.examine", "autograder.isolation.warm", "autograder.isolation.remote"):
    try:
        importlib.import_module(name)
        print("found", name)
    except ImportError:
        pass
""")  # fmt: skip
    assert found == {"printed": "", "error": None}


def test_the_view_holds_no_cache_of_compiled_answers(view):
    assert not [
        path
        for path in view.rglob("*")
        if path.suffix in (".pyc", ".npz", ".ipynb", ".safetensors") and "weights" not in str(path)
    ]
    assert not (Path(view) / "detseg" / "__pycache__").exists()
