"""One kernel run with everything that can go wrong in it, and what becomes of each exercise."""

import asyncio

import nbformat
import pytest

from autograder.grading.execute import Limits, execute
from autograder.grading.record import recorded
from autograder.notebooks.cells import grade_id, is_grade

LIMITS = Limits(start=60, cell=3, submission=60)


def with_hidden_tests(notebook):
    """What nbgrader's sanitising does: checks get their hidden part back."""
    for cell in notebook.cells:
        if is_grade(cell):
            lines = cell.source.splitlines()
            cell.source += "\n" + lines[-1].replace(")", ", hidden=True)")
    return notebook


def run(notebook, tmp_path, limits=LIMITS):
    results = execute(with_hidden_tests(notebook), tmp_path, seed=123, limits=limits)
    return {result.exercise: result for result in results}


def outputs(notebook, name):
    return next(cell for cell in notebook.cells if grade_id(cell) == name).outputs


def test_right_answers_with_noise_on_stderr(solved, tmp_path):
    noise = "import sys\n    print('a warning', file=sys.stderr)\n    return 2 * n"
    for cell in solved.cells:
        cell.source = cell.source.replace("return 2 * n", noise)
    results = run(solved, tmp_path)
    assert [(r.points, r.possible, r.status) for r in results.values()] == [
        (4, 4, "correct"),
        (8, 8, "correct"),
        (4, 4, "correct"),
    ]
    assert results["double"].seed == 123
    shown = outputs(solved, "test_double")
    assert "a warning" in str(shown)
    assert not any(output.output_type == "stream" and output.name == "stderr" for output in shown)
    assert [output.data["text/plain"] for output in shown if output.output_type == "execute_result"] == ["4"]


def test_blank_and_partial(released, fill, tmp_path):
    notebook = fill(released, triple="return 3 * n if n < 2 else 0")
    results = run(notebook, tmp_path)
    assert (results["double"].points, results["double"].status) == (0, "crashed")
    assert "NotImplementedError: write me" in results["double"].reason
    assert (results["triple"].points, results["triple"].status) == (4, "incorrect")


def test_a_crash_in_a_function_costs_its_exercise(released, fill, tmp_path):
    crash = "import os\n    os._exit(3)"
    notebook = fill(released, double="return 2 * n", triple=crash, square="return 7 * n")
    results = run(notebook, tmp_path)
    assert [result.points for result in results.values()] == [4, 0, 4]
    assert results["triple"].status == "crashed"
    assert results["triple"].reason == "triple, when it was checked, ended the Python process (exit code 3)"
    assert outputs(notebook, "test_triple")[-1].evalue == results["triple"].reason


def test_a_loop_that_ignores_interrupts(released, fill, tmp_path):
    loop = "import signal\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True:\n        pass"
    notebook = fill(released, double=loop, triple="return 3 * n", square="return 7 * n")
    results = run(notebook, tmp_path)
    assert [result.points for result in results.values()] == [0, 8, 4]
    assert results["double"].status == "timed_out"
    assert "did not return within 3 s" in results["double"].reason


def test_crash_and_loop_at_the_top_level(solved, tmp_path):
    for cell in solved.cells:
        if grade_id(cell) == "double":
            cell.source += "\nwhile True:\n    pass"
        if grade_id(cell) == "triple":
            cell.source += "\nimport os\nos.kill(os.getpid(), 9)"
    results = run(solved, tmp_path)
    assert [result.points for result in results.values()] == [0, 0, 4]
    assert results["double"].reason == "double was not checked: this cell did not return within 3 s"
    assert (
        "triple was not checked: this cell crashed the Python process (signal 9" in results["triple"].reason
    )
    assert outputs(solved, "triple")[-1].ename == "Crashed"


def test_syntax_error_and_a_check_without_outcome(solved, tmp_path):
    for cell in solved.cells:
        if grade_id(cell) == "double":
            cell.source = "def double(n)\n    return"
        if grade_id(cell) == "triple":
            cell.source = "def check(*arguments, hidden=False):\n    return 8.0\ndef triple(n):\n    return 0"
    results = run(solved, tmp_path)
    assert [result.points for result in results.values()] == [0, 0, 0]
    assert "NameError" in results["double"].reason
    assert "SyntaxError" in results["double"].reason
    assert results["triple"].reason == "the cell showed no outcome of a check"


def test_the_whole_notebook_has_a_deadline(solved, tmp_path):
    solved.cells.insert(0, nbformat.v4.new_code_cell("import time\ntime.sleep(30)"))
    results = run(solved, tmp_path, Limits(start=60, cell=60, submission=1))
    assert {result.status for result in results.values()} == {"timed_out"}
    assert "longer than 1 s" in results["double"].reason


def test_inside_a_running_event_loop(solved, tmp_path):
    """As in the Formgrader, whose button grades in the server's own thread."""

    async def handler():
        return run(solved, tmp_path)

    assert asyncio.run(handler())["double"].points == 4


def test_flooding_is_cut(solved, tmp_path):
    for cell in solved.cells:
        if grade_id(cell) == "square":
            cell.source += "\nfor _ in range(60):\n    print('x' * 200_000)"
    results = run(solved, tmp_path)
    assert results["square"].points == 4
    assert len(str(solved.cells)) < 10_000_000


def test_results_are_kept_on_the_cells(solved, tmp_path):
    results = run(solved, tmp_path)
    kept = [recorded(cell) for cell in solved.cells if is_grade(cell)]
    assert kept == list(results.values())
    assert pytest.approx(sum(result.points for result in kept)) == 16
