"""Copies are found however they are dressed up; answers written on one's own are not."""

import ast
import csv
import inspect
import io
import json
import random
import shutil

import nbformat
import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.exercises import load, names
from autograder.reporting.class_originality import compare_class, originality_table, write_csv
from autograder.reporting.originality import REFERENCE, Alike, alike, expressions

ANSWER = '''
def nms(boxes, scores, iou_threshold):
    """Keep the best."""
    order = scores.argsort(descending=True, stable=True)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    suppressed = torch.zeros(len(boxes), dtype=torch.bool)
    keep = []
    for i in order.tolist():
        if suppressed[i]:
            continue
        keep.append(i)
        left = torch.maximum(boxes[:, :2], boxes[i, :2])
        right = torch.minimum(boxes[:, 2:], boxes[i, 2:])
        size = (right - left).clamp(min=0)
        inter = size[:, 0] * size[:, 1]
        suppressed |= inter / (areas + areas[i] - inter) > iou_threshold
    return torch.tensor(keep, dtype=torch.int64)
'''
COPY = """
def nms(b, s, t):
    # my very own way, thought of by myself
    gone: torch.Tensor = torch.zeros(len(b),
                                     dtype=torch.bool)
    result = []
    A = (b[:, 3] - b[:, 1]) * (b[:, 2] - b[:, 0])
    ranking = s.argsort(descending=True, stable=True)
    for number in ranking.tolist():
        if gone[number]:
            continue
        result.append(number)
        r = torch.minimum(b[:, 2:], b[number, 2:])
        l = torch.maximum(b[:, :2], b[number, :2])
        d = (r - l).clamp(min=0)
        common = d[:, 1] * d[:, 0]
        gone = gone | (common / (A[number] + A - common) > t)
    return torch.tensor(result, dtype=torch.int64)
"""


def reference(name):
    return inspect.getsource(load(name).oracle)


def renamed(source):
    """The same code with other names, other spaces, no comments, its text turned about."""
    tree = ast.parse(source)
    own = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    own |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in own:
            node.id = f"{node.id}_of_mine"
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = f"{node.arg}_of_mine", None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
            if ast.get_docstring(node):
                node.body[0] = ast.Expr(ast.Constant("Entirely my own."))
    return ast.unparse(ast.fix_missing_locations(tree))


@pytest.mark.parametrize("name", names())
def test_a_renamed_reference_is_found_unless_it_is_short(name):
    source = reference(name)
    found = alike(name, {"ada": renamed(source)}, source)
    if len(expressions(source)) < 20:
        assert found == []
    else:
        assert found == [Alike(name, "ada", REFERENCE, 1.0, len(expressions(source)))]


@pytest.mark.parametrize("name", names())
def test_answers_written_on_one_s_own_are_not_flagged(name):
    answers = {}
    for number, function in enumerate(load(name).right_variants):
        answers.setdefault(
            inspect.getsource(function), f"student{number}"
        )  # a factory makes several of one source
    assert alike(name, {student: source for source, student in answers.items()}, reference(name)) == []


def test_a_copy_with_other_names_order_comments_and_annotations_is_found():
    (pair,) = alike("nms", {"ada": ANSWER, "ben": COPY}, reference("nms"))
    assert (pair.first, pair.second) == ("ada", "ben")
    assert pair.similarity > 0.9
    assert alike("nms", {"ada": ANSWER, "ben": renamed(ANSWER)}, "")[0].similarity == 1


def test_what_was_released_does_not_count():
    assert alike("nms", {"ada": ANSWER, "ben": ANSWER}, "", stub=ANSWER) == []
    stub = ANSWER.partition("    keep = []")[0] + "    raise NotImplementedError"
    (pair,) = alike("nms", {"ada": ANSWER, "ben": COPY}, "", stub=stub)
    assert 20 < pair.shared < len(expressions(ANSWER))


def test_what_most_of_the_class_has_counts_little():
    common = "\n".join(ANSWER.splitlines()[1:12])
    tails = [
        f"    x = torch.stack([boxes[:, {n}] ** {n} - {n}.5, scores / {n}.25]).clamp(max={n}).sort()"
        for n in range(20)
    ]
    own = [
        f"{common}\n{tail}\n    y = x.where(x > {n}, {n} - x).cumsum({n})\n    return [y, {n}, y.max() * {n}]"
        for n, tail in enumerate(tails)
    ]
    class_of_20 = {f"s{n:02}": source for n, source in enumerate(own)}
    together = [pair.similarity for pair in alike("nms", class_of_20, "", least_similarity=0)]
    alone = alike("nms", {name: class_of_20[name] for name in ("s00", "s01")}, "", least_similarity=0)[0]
    assert max(together) < alone.similarity
    copied = alike("nms", class_of_20 | {"zoe": renamed(own[3])}, "")
    assert [
        (pair.first, pair.second, pair.similarity) for pair in copied if "zoe" in (pair.first, pair.second)
    ] == [("s03", "zoe", 1.0)]


@pytest.mark.parametrize(
    "source",
    ["", "def f(", "x = 1", "\0", "(" * 5000, "def nms(*a):\n    raise NotImplementedError", "é = 'ü'"],
)
def test_odd_answers_are_like_nothing(source):
    assert alike("nms", {"ada": source, "ben": source, "cas": ANSWER}, reference("nms")) == []


def test_nobody_handed_in():
    assert alike("nms", {}, reference("nms")) == []


def test_a_class_of_300_is_compared():
    """Each answer differs from all others, but for two copies."""

    def made(n):
        rng = random.Random(n)
        calls = ["clamp", "where", "cumsum", "sort", "roll", "flip", "abs", "max"]
        lines = [
            f"    v{i} = x.{rng.choice(calls)}({rng.random():.9f}) - x[:, {rng.randrange(10**6)}]"
            for i in range(15)
        ]
        return "def f(x):\n" + "\n".join(lines) + "\n    return v0 + v14\n"

    for exercise in range(6):
        answers = {f"s{n}": made(1000 * exercise + n) for n in range(300)}
        answers["s299"] = renamed(answers["s7"])
        assert [(p.first, p.second) for p in alike("nms", answers, ANSWER)] == [("s299", "s7")]


def test_the_csv_is_safe_to_open_in_a_spreadsheet():
    file = io.StringIO()
    write_csv([Alike("nms", "=cmd()", "ben", 0.9, 30)], file)
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert rows == [
        ["exercise", "first", "second", "similarity", "shared"],
        ["nms", "'=cmd()", "ben", "0.9", "30"],
    ]


def test_names_in_the_table_cannot_steer_a_terminal():
    table = originality_table([Alike("nms", "[red]\x1b[2Jada[/x]", REFERENCE, 0.9, 30)], "t")
    (shown,) = table.columns[1].cells
    assert "\x1b" not in str(shown)
    assert str(shown).startswith("[red]")


@pytest.fixture
def graded(fresh_course, tmp_path):
    """A course whose graded notebooks hold answers; nothing of it was run."""
    root = tmp_path / "course"
    shutil.copytree(fresh_course, root)
    for student, source in (
        ("ada", ANSWER),
        ("ben", COPY),
        ("cas", "def nms(*a):\n    raise NotImplementedError"),
    ):
        folder = root / "autograded" / student / "01_tiny"
        folder.mkdir(parents=True)
        marks = {"nbgrader": {"grade_id": "nms", "solution": True, "grade": False}}
        other = {"nbgrader": {"grade_id": "essay", "solution": True, "grade": False}}
        cells = [
            nbformat.v4.new_code_cell(source, metadata=marks),
            nbformat.v4.new_code_cell("1", metadata=other),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "tiny.ipynb")
    return root


def test_the_command(graded, tmp_path):
    arguments = ["originality", "01_tiny", "--root", str(graded)]
    shown = CliRunner().invoke(app, [*arguments, "--csv", str(tmp_path / "alike.csv")])
    assert shown.exit_code == 0, shown.output
    assert "ada" in shown.output
    assert "cheat" not in shown.output.lower()
    assert (tmp_path / "alike.csv").read_text().splitlines()[1].startswith("nms,ada,ben,")
    (pair,) = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert (pair["first"], pair["second"], pair["exercise"]) == ("ada", "ben", "nms")
    assert [pair.first for pair in compare_class(graded, "01_tiny")] == ["ada"]


def test_the_command_without_anything_graded(fresh_course):
    shown = CliRunner().invoke(app, ["originality", "01_tiny", "--root", str(fresh_course)])
    assert shown.exit_code == 1
    assert "grade 01_tiny" in shown.output
