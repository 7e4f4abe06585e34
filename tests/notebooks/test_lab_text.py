"""The lessons keep to their own grammar: short, complete, described, and in step with the exercises."""

import ast
import re
import statistics
from pathlib import Path

import jupytext
import pytest

from autograder.exercises import load, names

SOLUTIONS = Path(__file__).parents[2] / "solutions"
LABS = {path.parent.name: jupytext.read(path) for path in sorted(SOLUTIONS.glob("*/*.py"))}
EXERCISES = [(load(name).lab, name) for name in names() if load(name).lab in LABS]

MAX_WORDS = 4000
MAX_WHY = 60
MAX_MEDIAN_LINES = 12
MAX_SOLUTION_LINES = 20


def words(text: str) -> int:
    """Words a reader reads: no markup, no table rules, no formulas' commands."""
    text = re.sub(r"<[^>]+>|\$\$.*?\$\$", " ", text, flags=re.S)
    return len(re.findall(r"[\w'][\w'.,:-]*", text))


def lines(source: str) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def section(lab: str, name: str) -> list:
    """The cells from an exercise's heading to the next heading."""
    cells = LABS[lab].cells
    heading = re.compile(rf"^### Exercise {load(name).number} · `{name}`$", re.M)
    start = next((i for i, cell in enumerate(cells) if heading.search(cell.source)), None)
    assert start is not None, f"{lab} has no heading '### Exercise {load(name).number} · `{name}`'"
    headings = (i for i, cell in enumerate(cells) if i > start and re.match(r"##+ ", cell.source))
    return cells[start : next(headings, None)]


def grade_id(cell) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


@pytest.mark.parametrize("lab", LABS)
def test_a_lab_is_short(lab: str) -> None:
    cells = LABS[lab].cells
    total = sum(words(cell.source) for cell in cells if cell.cell_type == "markdown")
    assert total <= MAX_WORDS, f"{lab} has {total} words"
    median = statistics.median(lines(cell.source) for cell in cells if cell.cell_type == "code")
    assert median <= MAX_MEDIAN_LINES


@pytest.mark.parametrize(("lab", "name"), EXERCISES)
def test_an_exercise_has_all_its_parts(lab: str, name: str) -> None:
    exercise = load(name)
    cells = section(lab, name)
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    facts = (
        f"difficulty {exercise.difficulty} of 5 · importance {exercise.importance} of 5 · "
        f"about {exercise.minutes} minutes · {exercise.points} points"
    )
    assert facts in prose, f"{name} should say: {facts}"

    why = re.search(r"\*\*Why\.\*\* (.+?)(?:\n\n|$)", prose, re.S)
    assert why, f"{name} does not say why"
    assert words(why[1]) <= MAX_WHY, f"{name}'s why has {words(why[1])} words"
    assert "**By hand" in prose, f"{name} has no example worked by hand"
    assert "<details><summary>What could be wrong</summary>" in prose
    assert len(re.findall(r"^- \*.+?\*", prose, re.M)) >= 3, f"{name} names fewer than three symptoms"
    assert f"**Question {exercise.number}.**" in prose

    code = [cell for cell in cells if cell.cell_type == "code"]
    order = [grade_id(cell) for cell in code]
    stub, test = order.index(name), order.index(f"test_{name}")
    assert stub < test
    assert any("viewing.show_" in cell.source for cell in code[:stub]), (
        f"{name} has no picture before its stub"
    )
    assert any(cell.source.startswith(f'# hint("{name}")') for cell in code[test:]), (
        f"{name} has no hint cell"
    )


@pytest.mark.parametrize(("lab", "name"), EXERCISES)
def test_the_stub_is_typed_documented_and_short(lab: str, name: str) -> None:
    exercise = load(name)
    [cell] = [cell for cell in LABS[lab].cells if grade_id(cell) == name]
    assert cell.source.startswith(f"# exercise {exercise.number}: {name}\n")
    assert cell.metadata["nbgrader"]["solution"] is True
    [function] = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)]
    assert function.name == name
    assert function.returns is not None
    assert all(argument.annotation is not None for argument in function.args.args)
    assert "[" in (ast.get_docstring(function) or ""), f"{name}'s docstring gives no shapes"
    written = re.search(r"    ### BEGIN SOLUTION\n(.+?)    ### END SOLUTION", cell.source, re.S)
    assert written
    assert lines(written[1]) <= MAX_SOLUTION_LINES


@pytest.mark.parametrize(("lab", "name"), EXERCISES)
def test_the_check_cell_is_what_the_grader_expects(lab: str, name: str) -> None:
    exercise = load(name)
    [cell] = [cell for cell in LABS[lab].cells if grade_id(cell) == f"test_{name}"]
    assert cell.metadata["nbgrader"]["points"] == exercise.points
    assert cell.metadata["nbgrader"]["locked"] is True
    assert cell.metadata["nbgrader"]["grade"] is True
    assert cell.source == (
        f"# check {exercise.number}: {name}\ncheck({name})\n"
        f"### BEGIN HIDDEN TESTS\ncheck({name}, hidden=True)\n### END HIDDEN TESTS"
    )


@pytest.mark.parametrize("lab", LABS)
def test_the_overview_agrees_with_the_exercises(lab: str) -> None:
    overview = LABS[lab].cells[0].source
    for of_lab, name in EXERCISES:
        if of_lab == lab:
            exercise = load(name)
            assert f"| {exercise.number} | `{name}` | {exercise.minutes} | {exercise.points} |" in overview
    minutes = sum(load(name).minutes for of_lab, name in EXERCISES if of_lab == lab)
    assert minutes <= 150


@pytest.mark.parametrize("lab", LABS)
def test_no_picture_comes_without_words(lab: str) -> None:
    for cell in LABS[lab].cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\s*\]\(", cell.source), "a picture without alternative text"
            assert not re.search(r"<img(?![^>]*\balt=\"[^\"]+\")", cell.source)
        else:  # `viewing` attaches a description to each drawing; nothing else may draw
            assert "pyplot" not in cell.source
            assert "plt." not in cell.source
            assert "imshow" not in cell.source


@pytest.mark.parametrize("lab", LABS)
def test_nothing_outside_the_solutions_calls_an_unwritten_function(lab: str) -> None:
    mine = {name for of_lab, name in EXERCISES if of_lab == lab}
    for cell in LABS[lab].cells:
        if cell.cell_type != "code" or grade_id(cell):
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in mine, f"use verified({node.func.id}) in: {cell.source[:80]}"
            if isinstance(node, ast.ImportFrom):
                imported = {alias.asname or alias.name for alias in node.names}
                assert not imported & mine, f"an import hides the learner's function in: {cell.source[:80]}"


@pytest.mark.parametrize("lab", LABS)
def test_what_the_grader_runs_needs_nothing_it_skips(lab: str) -> None:
    """Names that only skipped cells define are used by skipped cells alone."""
    skipped: set[str] = set()
    kept: set[str] = set()
    for cell in LABS[lab].cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        skip = "skip-execution" in cell.metadata.get("tags", [])
        names_here = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        made = {node.id for node in names_here if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                made |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.FunctionDef):
                made.add(node.name)
            elif isinstance(node, ast.arg):
                made.add(node.arg)
        if skip:
            skipped |= made
        else:
            used = {node.id for node in names_here if isinstance(node.ctx, ast.Load)} - made
            assert not used & (skipped - kept), f"{used & (skipped - kept)} is made by a skipped cell"
            kept |= made
