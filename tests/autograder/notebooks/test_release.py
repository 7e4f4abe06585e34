"""Masters become pairs and labs: the same bytes every time, and nothing of the instructor's."""

import json

import pytest

from autograder.notebooks.freshness import stale
from autograder.notebooks.leaks import leaks, secret_lines
from autograder.notebooks.pairing import MasterError, as_text, pair
from autograder.notebooks.release import release


def test_cell_ids_are_stable_and_say_what_they_can(fresh_course):
    master = fresh_course / "solutions" / "01_tiny" / "tiny.py"
    first, second = pair(master), pair(master)
    assert as_text(first) == as_text(second)
    ids = [cell["id"] for cell in first.cells]
    assert len(set(ids)) == len(ids)
    assert {"double", "test_double", "triple", "test_triple"} <= set(ids)


def test_same_text_twice_gets_two_ids(tmp_path):
    master = tmp_path / "twice.py"
    master.write_text("# %%\nx = 1\n\n# %%\nx = 1\n")
    ids = [cell["id"] for cell in pair(master).cells]
    assert ids[1] == f"{ids[0]}-2"


def test_points_and_recovery_line_come_from_the_exercise(tmp_path):
    master = tmp_path / "lab.py"
    master.write_text(
        '# %% nbgrader={"grade_id": "roi_pool", "solution": true}\ndef roi_pool():\n    pass\n\n\n'
        '# %% nbgrader={"grade_id": "test_roi_pool", "grade": true}\ncheck(roi_pool)\n'
    )
    solution, check = pair(master).cells
    assert solution.source.startswith("# exercise 31: roi_pool\n")
    assert check.source.startswith("# check 31: roi_pool\n")
    assert check.metadata.nbgrader.points == 10
    assert check.metadata.nbgrader.locked


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('# %% nbgrader={"grade_id": "test_roi_pool", "grade": true, "points": 3}\ncheck(roi_pool)\n', "10"),
        (
            '# %% nbgrader={"grade_id": "roi_pool", "solution": true}\n# exercise 30: roi_pool\n',
            "exercise 31",
        ),
        ('# %% nbgrader={"solution": true}\nx = 1\n', "grade_id"),
    ],
)
def test_a_master_that_contradicts_its_exercise_is_refused(tmp_path, cell, said):
    (tmp_path / "lab.py").write_text(cell)
    with pytest.raises(MasterError, match=said):
        pair(tmp_path / "lab.py")


def test_release_has_stubs_and_no_master(fresh_course, released):
    assert sorted(path.name for path in (fresh_course / "labs" / "01_tiny").iterdir()) == ["tiny.ipynb"]
    text = "\n".join(cell.source for cell in released.cells)
    assert text.count('raise NotImplementedError("write me")') == 3
    assert "jupytext" not in released.metadata
    assert released.metadata.lab == "01_tiny/tiny"
    assert not leaks(fresh_course)


def test_leaks_are_found(course):
    assert secret_lines(course / "solutions" / "01_tiny") >= {
        "twice_the_number = 2 * n",
        "return n + double(n)",
    }
    path = course / "labs" / "01_tiny" / "tiny.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][2]["source"] = "def double(n):\n    twice_the_number = 2 * n"
    notebook["cells"][3]["source"] = "check(double, 2, hidden=True)"
    path.write_text(json.dumps(notebook))
    (course / "labs" / "01_tiny" / "tiny.py").write_text("")
    found = "\n".join(leaks(course))
    assert "twice_the_number = 2 * n" in found
    assert "hidden=True" in found
    assert "tiny.py is a master" in found


def test_stale_names_what_changed(course):
    assert stale(course) == []
    master = course / "solutions" / "01_tiny" / "tiny.py"
    master.write_text(master.read_text().replace("# A tiny lab", "# A changed lab"))
    assert stale(course) == [
        "solutions/01_tiny/tiny.ipynb is out of date",
        "labs/01_tiny/tiny.ipynb is out of date",
    ]
    release(course)
    assert stale(course) == []


def test_unknown_lab_is_named(course):
    with pytest.raises(ValueError, match="01_tiny"):
        release(course, ["07_nothing"])
