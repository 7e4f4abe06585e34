"""Damaged submissions: what other tools and tired people do to notebooks."""

import copy

import nbformat

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


def test_a_split_answer_keeps_both_parts(solved, released):
    first = cell_of(solved, "triple")
    first.source, second = "# exercise 2: triple", "def triple(n):\n    return 3 * n"
    solved.cells.insert(solved.cells.index(first) + 1, nbformat.v4.new_code_cell(second))
    repaired, _ = repair(solved, released)
    assert marked(repaired) == GRADED
    assert second in [cell.source for cell in repaired.cells]
