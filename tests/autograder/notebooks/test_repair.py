"""Damaged submissions: what other tools and tired people do to notebooks."""

import copy

import nbformat
import pytest

from autograder.notebooks.cells import SKIP, grade_id, is_grade, is_skipped
from autograder.notebooks.repair import repair

GRADED = ["double", "test_double", "triple", "test_triple", "square", "test_square"]


def marked(notebook):
    return [grade_id(cell) for cell in notebook.cells if grade_id(cell)]


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if grade_id(cell) == name)


def test_an_undamaged_notebook_needs_no_repair(solved, released):
    repaired, report = repair(solved, released)
    assert report == []
    assert [cell.source for cell in repaired.cells] == [cell.source for cell in solved.cells]
    assert marked(repaired) == GRADED


def test_lost_metadata_is_found_by_cell_id(solved, released):
    for cell in solved.cells:
        cell.metadata = nbformat.from_dict({})
    repaired, report = repair(solved, released)
    assert marked(repaired) == GRADED
    assert report == ["grading metadata was lost; found again by cell id: " + ", ".join(GRADED)]
    assert sum(is_skipped(cell) for cell in repaired.cells) == 1


def test_lost_metadata_and_ids_are_found_by_the_comment(solved, released):
    for number, cell in enumerate(solved.cells):
        cell.metadata = nbformat.from_dict({})
        cell["id"] = str(number)
    repaired, report = repair(solved, released)
    assert marked(repaired) == GRADED
    assert "comment line" in report[0]
    assert sum(is_skipped(cell) for cell in repaired.cells) == 1
    assert "return 3 * n" in cell_of(repaired, "triple").source


def test_shuffled_ids_do_not_mislead(solved, released):
    ids = [cell["id"] for cell in solved.cells]
    for cell, other in zip(solved.cells, ids[2:] + ids[:2], strict=True):
        cell.metadata = nbformat.from_dict({})
        cell["id"] = other
    assert marked(repair(solved, released)[0]) == GRADED


def test_without_ids_and_comments_definitions_find_them(solved, released):
    for number, cell in enumerate(solved.cells):
        cell.metadata, cell["id"] = nbformat.from_dict({}), str(number)
        cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("# "))
    repaired, report = repair(solved, released)
    assert "return 2 * n" in cell_of(repaired, "double").source
    assert marked(repaired) == GRADED
    assert report[0] == "grading metadata was lost; found again by definition: double, triple, square"


def test_a_copied_solution_keeps_one_set_of_marks(solved, released):
    copied = copy.deepcopy(cell_of(solved, "double"))
    solved.cells.insert(3, copied)
    repaired, report = repair(solved, released)
    assert marked(repaired) == GRADED
    assert any(line.startswith("double:") for line in report)
    assert len({cell["id"] for cell in repaired.cells}) == len(repaired.cells)


def test_an_empty_copy_below_the_answer_does_not_undo_it(solved, released):
    stub = copy.deepcopy(cell_of(released, "double"))
    solved.cells.insert(3, stub)
    repaired, _ = repair(solved, released)
    assert "return 2 * n" in cell_of(repaired, "double").source
    assert [cell.metadata.tags for cell in repaired.cells if "NotImplementedError" in cell.source] == [[SKIP]]


def test_deleted_cells_come_back_in_their_place(solved, released):
    solved.cells = [cell for cell in solved.cells if grade_id(cell) not in ("test_double", "square")]
    repaired, report = repair(solved, released)
    assert marked(repaired) == GRADED
    assert report == [
        "test_double: the cell was missing and was put back",
        "square: the cell was missing and was put back",
    ]


def test_retyped_moved_and_edited_cells(solved, released):
    check = cell_of(solved, "test_double")
    solved.cells.remove(check)
    solved.cells.insert(0, check)
    check.source = "check(double, 2)\n'full marks please'"
    triple = cell_of(solved, "triple")
    triple.cell_type = "markdown"
    repaired, report = repair(solved, released)
    assert marked(repaired) == GRADED
    assert cell_of(repaired, "triple").cell_type == "code"
    assert cell_of(repaired, "test_double").source == cell_of(released, "test_double").source
    assert [line.split(":")[0] for line in report] == ["test_double", "triple", "test_double"]


def test_invented_marks_and_notes_are_dropped(solved, released):
    marks = {"grade": True, "grade_id": "bonus", "points": 100, "solution": False, "locked": False}
    solved.cells.append(nbformat.v4.new_code_cell("100.0", metadata={"nbgrader": marks}))
    solved.cells[0].metadata["autograder"] = {"points": 100}
    solved.metadata["autograder"] = {"unreadable": None}
    solved.cells[1].metadata["tags"] = [SKIP]
    repaired, _ = repair(solved, released)
    assert [grade_id(cell) for cell in repaired.cells if is_grade(cell)] == GRADED[1::2]
    assert "autograder" not in repaired.metadata
    assert not any("autograder" in cell.metadata for cell in repaired.cells)
    assert not is_skipped(repaired.cells[1])


def test_a_split_off_comment_does_no_harm(solved, released):
    first = cell_of(solved, "triple")
    first.source, second = "# exercise 2: triple", "def triple(n):\n    return 3 * n"
    solved.cells.insert(solved.cells.index(first) + 1, nbformat.v4.new_code_cell(second))
    repaired, _ = repair(solved, released)
    assert marked(repaired) == GRADED
    assert second in [cell.source for cell in repaired.cells]


def code(source):
    return nbformat.v4.new_code_cell(source)


def run_before(notebook, check):
    """The code that runs above a check."""
    place = notebook.cells.index(cell_of(notebook, check))
    return [c.source for c in notebook.cells[:place] if c.cell_type == "code" and not is_skipped(c)]


def test_a_function_split_in_its_middle_is_joined(solved, released):
    first = cell_of(solved, "triple")
    whole = "# exercise 2: triple\ndef triple(n):\n    twice = n + n\n\n    return twice + n"
    first.source, second = "\n".join(whole.splitlines()[:3]), "    return twice + n"
    place = solved.cells.index(first) + 1
    solved.cells[place:place] = [nbformat.v4.new_markdown_cell("and"), code(second)]
    solved.cells[place + 1].metadata = copy.deepcopy(first.metadata)
    repaired, report = repair(solved, released)
    assert report == ["triple: it was split over 2 cells, which were joined"]
    assert cell_of(repaired, "triple").source == whole.replace("\n\n", "\n")
    assert second not in [cell.source for cell in repaired.cells]


@pytest.mark.parametrize("ending", ["@", "def triple(", "x = [  # ]"])
def test_what_stops_in_a_bracket_is_joined_only_if_that_closes_it(solved, released, ending):
    first = cell_of(solved, "triple")
    rest = {"@": "abs\ndef triple(n): pass", "def triple(": "n):\n    return 3 * n", "x = [  # ]": "]"}[
        ending
    ]
    first.source = f"# exercise 2: triple\n{ending}"
    solved.cells.insert(solved.cells.index(first) + 1, code("helper = 1"))
    repaired, report = repair(copy.deepcopy(solved), released)
    assert (report, "helper = 1") == ([], run_before(repaired, "test_triple")[-1]) or ending == "@"
    solved.cells[solved.cells.index(first) + 1].source = rest
    repaired, report = repair(solved, released)
    assert "split over 2 cells" in report[0]
    assert cell_of(repaired, "triple").source == f"{first.source}\n{rest}"


def test_a_cell_indented_as_a_whole_is_not_swallowed(solved, released):
    solved.cells.insert(solved.cells.index(cell_of(solved, "triple")) + 1, code("    helper = 1"))
    repaired, report = repair(solved, released)
    assert report == []
    assert run_before(repaired, "test_triple")[-1] == "    helper = 1"


def test_merged_cells_are_cut_apart(solved, released):
    names = ["double", "test_double", "triple", "test_triple"]
    cells = [cell_of(solved, name) for name in names]
    training = next(cell for cell in solved.cells if is_skipped(cell))
    cells[0].source = "\n\n".join(cell.source for cell in [*cells[:2], training, *cells[2:]])
    solved.cells = [cell for cell in solved.cells if cell not in cells[1:] and cell is not training]
    repaired, report = repair(solved, released)
    assert "a cell with double, triple was cut into the 5 cells" in report[0]
    assert marked(repaired) == GRADED
    assert "return 3 * n" in cell_of(repaired, "triple").source
    assert "double" not in cell_of(repaired, "triple").source
    assert sum(is_skipped(cell) for cell in repaired.cells) == 1


def test_the_last_answer_above_the_check_counts(solved, released):
    wrong = code("def double(n):\n    return 0")
    place = solved.cells.index(cell_of(solved, "double"))
    for where, counts in ((place, True), (place + 2, True), (place + 1, False)):
        changed = copy.deepcopy(solved)
        changed.cells.insert(where, copy.deepcopy(wrong))
        repaired, report = repair(changed, released)
        assert "double: it is written in 2 cells; the last one above its check counts" in report
        last = [text for text in run_before(repaired, "test_double") if "def double" in text][-1]
        assert ("return 2 * n" in last) == counts


@pytest.mark.parametrize("behind", [1, 2])
def test_an_answer_in_a_new_cell_counts_though_the_stub_is_still_there(solved, released, behind):
    stub = cell_of(released, "double").source
    answer = cell_of(solved, "double")
    solved.cells.insert(solved.cells.index(answer) + behind, code(answer.source.split("\n", 1)[1]))
    answer.source = stub
    repaired, _ = repair(solved, released)
    assert "return 2 * n" in cell_of(repaired, "double").source
    assert stub not in run_before(repaired, "test_double")


def test_an_answer_typed_into_the_check_counts(solved, released):
    answer, check = cell_of(solved, "double"), cell_of(solved, "test_double")
    check.source = "def double(n):\n    return 2 * n\n\ncheck(double, 2)"
    answer.source = cell_of(released, "double").source
    repaired, _ = repair(solved, released)
    assert "return 2 * n" in cell_of(repaired, "double").source
    assert cell_of(repaired, "test_double").source == cell_of(released, "test_double").source


def test_code_besides_a_check_is_kept(solved, released):
    cell_of(solved, "test_double").source += "\nhelper = 3"
    repaired, _ = repair(solved, released)
    assert run_before(repaired, "test_double")[-1] == "helper = 3"


def test_a_copy_of_a_training_cell_is_not_run_either(solved, released):
    training = next(cell for cell in solved.cells if is_skipped(cell))
    solved.cells.append(code(training.source + "\nmore = 1"))
    repaired, report = repair(solved, released)
    copies = [cell for cell in repaired.cells if "training_is_skipped" in cell.source]
    assert [is_skipped(cell) for cell in copies] == [True, True]
    assert repaired.cells[-1].source == "more = 1"
    assert "copies of training and demo cells" in report[-1]


def test_a_stub_put_back_does_not_undo_what_was_bound_otherwise(solved, released):
    solved.cells = [cell for cell in solved.cells if grade_id(cell) != "double"]
    solved.cells.insert(1, code("double = lambda n: 2 * n"))
    repaired, _ = repair(solved, released)
    assert is_skipped(cell_of(repaired, "double"))
    assert "double = lambda n: 2 * n" in run_before(repaired, "test_double")


def test_marks_only_help_to_find_cells(solved, released):
    """Points, purposes and ids that were changed give nothing."""
    check, other = cell_of(solved, "test_double"), cell_of(solved, "test_triple")
    check.metadata.nbgrader.update(points=100, solution=True, grade=False, grade_id="test_triple")
    other.metadata.nbgrader.update(grade_id="test_double", locked=False)
    cell_of(solved, "triple").metadata.nbgrader.update(grade=True, points=50)
    repaired, _ = repair(solved, released)
    assert marked(repaired) == GRADED
    for name in GRADED:
        assert cell_of(repaired, name).metadata == cell_of(released, name).metadata


def test_imports_come_back_and_stand_first():
    released = nbformat.v4.new_notebook(
        cells=[code("import math\nfrom os import path"), code("# exercise 1: f\ndef f():\n    pass")]
    )
    released.cells[1].metadata["nbgrader"] = {"grade_id": "f", "solution": True, "grade": False}
    moved = nbformat.v4.new_notebook(cells=copy.deepcopy(released.cells[::-1]))
    repaired, report = repair(moved, released)
    assert [cell.source for cell in repaired.cells] == [cell.source for cell in released.cells]
    assert "imports stood behind an exercise" in report[0]
    del moved.cells[1]
    repaired, report = repair(moved, released)
    assert [cell.source for cell in repaired.cells] == [cell.source for cell in released.cells]
    assert "missing and was put back" in report[0]


def test_reports_are_single_lines(solved, released):
    marks = {"grade_id": "bonus\n# \x1b[31m" + "x" * 500, "solution": True}
    solved.cells.append(nbformat.v4.new_code_cell("1", metadata={"nbgrader": marks}))
    _, report = repair(solved, released)
    assert len(report) == 1
    assert report[0].isprintable()
    assert len(report[0]) < 200
