"""A submission with everything that can go wrong in it, and what becomes of each exercise."""

import asyncio
import os
import signal
import time

import nbformat
import pytest

from autograder.grading.execute import execute_kept_warm
from autograder.grading.graders import Graders, NoJail, WarmGraders, require_jail
from autograder.grading.limits import Limits
from autograder.grading.record import recorded
from autograder.isolation import jail
from autograder.isolation.warm import ZygoteError
from autograder.notebooks.cells import grade_id, is_grade

LAB = "03_boxes"
LIMITS = Limits(cell=3, exercise=8, submission=60)
POINTS = {"xyxy_to_cxcywh": 2, "smooth_l1": 4, "cxcywh_to_xyxy": 2}


@pytest.fixture
def run(warm):
    """Execute: the graded notebook and its results by exercise."""

    def run(notebook, limits=LIMITS, **options):
        options = {"seed": 123, "limits": limits} | options
        executed, results = execute_kept_warm(notebook, warm, LAB, **options)
        return executed, {result.exercise: result for result in results}

    return run


def outputs(notebook, name):
    return next(cell for cell in notebook.cells if grade_id(cell) == name).outputs


def points(results):
    return {name: result.points for name, result in results.items()}


def with_setup(notebook, source, where=0):
    notebook.cells.insert(where, nbformat.v4.new_code_cell(source))
    return notebook


def test_right_answers_with_noise_on_stderr(run, submission):
    noise = "import sys\n    print('a warning', file=sys.stderr)\n    return (pred - target).abs() if not beta else "
    answer = noise + "torch.where((pred - target).abs() < beta, (pred - target)**2 / 2 / beta, "
    notebook, results = run(submission(smooth_l1=answer + "(pred - target).abs() - beta / 2)"))
    assert points(results) == {**POINTS, "smooth_l1": results["smooth_l1"].points}
    assert results["smooth_l1"].points > 0
    assert results["xyxy_to_cxcywh"].status == "correct"
    assert results["xyxy_to_cxcywh"].seed == 123
    (shown,) = outputs(notebook, "test_xyxy_to_cxcywh")
    assert shown.output_type == "execute_result"
    assert shown.data["text/plain"] == "2"


def test_a_blank_lab_earns_nothing(run, submission):
    blank = 'raise NotImplementedError("write me")'
    _, results = run(submission(**dict.fromkeys(POINTS, blank)))
    assert {(result.points, result.status) for result in results.values()} == {(0, "not_attempted")}


def test_a_crash_in_a_function_costs_its_exercise(run, submission):
    _, results = run(submission(smooth_l1="import os\n    os._exit(3)"))
    assert points(results) == {**POINTS, "smooth_l1": 0}
    assert results["smooth_l1"].status == "crashed"
    assert "no answer came from your function: the process ended" in results["smooth_l1"].message


def test_a_loop_that_ignores_interrupts(run, submission):
    loop = "import signal\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True:\n        pass"
    _, results = run(submission(xyxy_to_cxcywh=loop))
    assert points(results) == {**POINTS, "xyxy_to_cxcywh": 0}
    assert results["xyxy_to_cxcywh"].status == "timed_out"


def test_crash_and_loop_at_the_top_level(run, submission):
    notebook = submission()
    for cell in notebook.cells:
        if grade_id(cell) == "xyxy_to_cxcywh":
            cell.source += "\nwhile True:\n    pass"
        if grade_id(cell) == "smooth_l1":
            cell.source += "\nimport os\nos._exit(9)"
    notebook, results = run(notebook)
    assert points(results) == {"xyxy_to_cxcywh": 0, "smooth_l1": 0, "cxcywh_to_xyxy": 2}
    expected = "xyxy_to_cxcywh was not checked: this cell did not return within 3 s"
    assert results["xyxy_to_cxcywh"].reason == expected
    assert "smooth_l1 was not checked: this cell ended the process" in results["smooth_l1"].reason
    assert outputs(notebook, "smooth_l1")[-1].ename == "Crashed"


def test_a_syntax_error_and_a_check_of_the_learners_own(run, submission):
    notebook = submission(xyxy_to_cxcywh="return ((")
    with_setup(notebook, "def check(*arguments, **options):\n    return 8.0", where=2)
    notebook, results = run(notebook)
    assert points(results) == {**POINTS, "xyxy_to_cxcywh": 0}
    assert "SyntaxError" in results["xyxy_to_cxcywh"].message


def test_the_whole_notebook_has_a_deadline(run, submission):
    notebook = with_setup(submission(), "import time\ntime.sleep(30)")
    _, results = run(notebook, Limits(cell=60, exercise=60, submission=1))
    assert {result.status for result in results.values()} == {"timed_out"}
    assert "longer than 1 s" in results["smooth_l1"].reason


def test_inside_a_running_event_loop(run, submission):
    """As in the Formgrader, whose button grades in the server's own thread."""

    async def handler():
        return run(submission())

    assert points(asyncio.run(handler())[1]) == POINTS


def test_flooding_is_cut(run, submission):
    notebook = with_setup(submission(), "for _ in range(60):\n    print('x' * 200_000)")
    notebook, results = run(notebook)
    assert points(results) == POINTS
    assert len(str(notebook.cells)) < 100_000


def test_results_are_kept_on_the_cells(run, submission):
    notebook, results = run(submission())
    assert [recorded(cell) for cell in notebook.cells if is_grade(cell)] == list(results.values())


def test_files_lie_beside_the_notebook_in_every_process_of_it(run, submission):
    """Also in the one that is forked after a crash; and they can be changed there without harm."""
    files = {
        "my_module.py": b"HALF = 0.5",
        "data/numbers.txt": "1 \u00b5m\n".encode(),
        "empty.bin": b"",
        "a name with spaces.csv": b"1,2",
    }
    look = (
        "import my_module, os\nassert my_module.HALF == 0.5\n"
        "assert open('data/numbers.txt', encoding='utf-8').read() == '1 \\u00b5m\\n'\n"
        "assert os.path.getsize('empty.bin') == 0\nassert open('a name with spaces.csv').read() == '1,2'\n"
        "open('mine.txt', 'w').write('x')\n"
    )
    answer = "import my_module\n    centre, half = boxes[:, :2], boxes[:, 2:] * my_module.HALF\n"
    answer += "    return torch.cat([centre - half, centre + half], 1)"
    notebook = with_setup(submission(smooth_l1="import os\n    os._exit(1)", cxcywh_to_xyxy=answer), look)
    executed, results = run(notebook, files=files)
    assert executed.cells[0].outputs == []
    assert points(results) == {**POINTS, "smooth_l1": 0}


def test_without_a_jail_the_same_and_nothing_is_left(submission, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    warm = WarmGraders()
    notebook = with_setup(submission(), "open('mine.txt', 'w').write(open('data.txt').read())")
    options = {"seed": 1, "limits": LIMITS, "files": {"data.txt": b"1"}}
    executed, results = execute_kept_warm(notebook, warm, LAB, unsafe=True, **options)
    warm.close()
    assert executed.cells[0].outputs == []
    assert sum(result.points for result in results) == 8
    assert list(tmp_path.iterdir()) == []


def test_processes_that_are_gone_are_replaced_once(submission):
    warm = WarmGraders()
    try:
        with warm.lend(LAB) as first:
            os.kill(first.checker.pid, signal.SIGKILL)
        _, results = execute_kept_warm(submission(), warm, LAB, seed=1)
        assert sum(result.points for result in results) == 8
        with warm.lend(LAB) as second:
            assert second is not first
    finally:
        warm.close()


def test_a_second_failure_is_told(submission, monkeypatch):
    warm, started = WarmGraders(), []

    def fail(*arguments, **options):
        started.append(arguments)
        raise ZygoteError("no memory")

    monkeypatch.setattr("autograder.grading.graders.Graders", fail)
    with pytest.raises(ZygoteError, match="no memory"):
        execute_kept_warm(submission(), warm, LAB, seed=1)
    assert len(started) == 2


def test_cells_that_are_run_again_have_no_more_time_than_there_is(run, submission):
    """Those that take long only the second time, say, after a function has ended the process."""
    crash = "import os, time\n    time.sleep(2)\n    os._exit(1)"
    late = f"import time\nif time.time() > {time.time()} + 2: time.sleep(0.9)"
    notebook = submission(xyxy_to_cxcywh=crash)
    notebook.cells[1:1] = [nbformat.v4.new_code_cell(late) for _ in range(40)]
    started = time.monotonic()
    run(notebook, limits=Limits(submission=4))
    assert time.monotonic() - started < 20


def test_what_all_cells_print_has_an_end(run, submission):
    notebook = submission()
    notebook.cells += [nbformat.v4.new_code_cell("print('x' * 19_000)") for _ in range(30)]
    executed, results = run(notebook)
    printed = [
        len(o.text) for cell in executed.cells for o in cell.get("outputs", []) if o.output_type == "stream"
    ]
    assert sum(printed) <= 200_000 + len(printed)  # each that is cut ends in …
    assert len(printed) > 9
    assert points(results) == POINTS


def test_what_an_error_says_is_one_line(run, submission):
    notebook = submission()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "smooth_l1":
            cell.source = "raise ValueError('x\\nAll cases pass: 4 of 4 points.\\nChecked by hand')"
    _, results = run(notebook)
    line = results["smooth_l1"].message.splitlines()[0]
    assert line.endswith("ValueError: x All cases pass: 4 of 4 points. Checked by hand")
    assert (results["smooth_l1"].status, results["smooth_l1"].points) == ("crashed", 0)


def test_warm_processes_end_after_a_pause_and_for_another_lab():
    warm = WarmGraders(idle_seconds=0.1)
    with warm.lend(LAB) as first, warm.lend(LAB) as again:
        assert again is first
    deadline = time.monotonic() + 30
    while not _ended(first) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _ended(first)
    warm = WarmGraders()
    try:
        with warm.lend(LAB) as first, warm.lend("05_fast_rcnn") as other:
            assert other is not first
            assert not _ended(first)
        assert _ended(first)
    finally:
        warm.close()


def _ended(graders: Graders) -> bool:
    return not os.path.exists(f"/proc/{graders.student.pid}") and not os.path.exists(
        f"/proc/{graders.checker.pid}"
    )


def test_without_a_jail_nothing_runs_unless_asked_for(monkeypatch):
    monkeypatch.setattr(jail, "problem", lambda: "unshare: not permitted")
    with pytest.raises(NoJail, match=r"--unsafe.*c\.ExecuteSubmission\.unsafe = True"):
        require_jail()
    with pytest.raises(NoJail, match="unshare: not permitted"):
        Graders(LAB)
