"""Solved notebooks of lab 5, damaged in many ways at once: each has an outcome, and what was right stays right.

Short: read, repaired, sanitised. Long (AUTOGRADER_LONG=1): 500 of them graded as an instructor grades a class.
"""

import collections
import os
import random
import shutil

import mutations_of_answers
import mutations_of_cells
import mutations_of_files
import mutations_of_tools
import nbformat
import pytest
from mutation import EXERCISES, LAB, NAME, ROOT, Draft, Tired, solved

from autograder.isolation import jail
from autograder.notebooks.cells import defined, grade_id, is_grade, is_skipped, is_solution
from autograder.notebooks.handed_in import find_notebook
from autograder.notebooks.harmless import make_harmless
from autograder.notebooks.reading import Unreadable
from autograder.notebooks.release import release
from autograder.notebooks.repair import repair

SHORT, LONG = 60, 500
RELEASE = ROOT / "labs" / LAB / NAME
STAGES = (
    mutations_of_answers.MUTATIONS,
    mutations_of_cells.MUTATIONS,
    mutations_of_tools.MARKS_KEPT,
    mutations_of_tools.MARKS_LOST,
    mutations_of_tools.LAST,
    [*mutations_of_files.MUTATIONS, *mutations_of_files.FATAL],
)
EVERY = [mutation for stage in STAGES for mutation in stage]
MOST = (1, 4, 2, 1, 1, 1)  # mutations of each stage in one notebook
SHARE = (0.3, 1.0, 0.5, 0.3, 0.3, 0.4)  # of the notebooks that have any


def damaged(number):
    """The notebook of a number, always the same, and the files that are handed in. Every mutation takes its turn."""
    generator = random.Random(number)
    draft = Draft(generator)
    files = mutations_of_files.written
    for stage, most, share in zip(STAGES, MOST, SHARE, strict=True):
        turn = EVERY[number % len(EVERY)]
        chosen = generator.sample(stage, generator.randint(1, most)) if generator.random() < share else []
        if turn in stage:
            chosen = [turn, *[mutation for mutation in chosen if mutation is not turn]][:most]
        if stage is STAGES[-1]:
            chosen = [turn] if turn in stage else [m for m in chosen if m in mutations_of_files.MUTATIONS]
            files = chosen[0] if chosen else files
            draft.done += [mutation.__name__ for mutation in chosen]
            continue
        for mutation in sorted(chosen, key=stage.index):
            try:
                mutation(draft)
                draft.done.append(mutation.__name__)
            except Tired:
                pass
    handed = files(draft)
    draft.lost = set(EXERCISES) if draft.fatal else draft.lost
    return draft, handed


@pytest.fixture(scope="module")
def released():
    return nbformat.read(RELEASE, as_version=4)


def test_there_are_many_kinds_of_damage():
    assert len({mutation.__name__ for mutation in EVERY}) == len(EVERY) >= 60


def test_the_undamaged_notebook_is_the_released_one_with_answers(released):
    draft = Draft(random.Random(0))
    for cell, original in zip(draft.cells, released.cells, strict=True):
        if is_solution(original):
            assert mutations_of_cells.stub(draft, grade_id(original)) == original.source
            cell["source"] = original.source
    assert draft.cells == released.cells


@pytest.mark.parametrize("number", range(SHORT))
def test_damaged_notebooks_are_repaired(released, tmp_path, number):
    draft, handed = damaged(number)
    mutations_of_files.hand_in(handed, tmp_path / "submitted")
    if draft.fatal:
        with pytest.raises(Unreadable) as problem:
            find_notebook(tmp_path / "submitted", RELEASE)
        assert "\n" not in str(problem.value)
        return
    notebook, repairs = find_notebook(tmp_path / "submitted", RELEASE)
    notebook, more = repair(notebook, released)
    repairs += more
    make_harmless(notebook)
    nbformat.validate(notebook)
    assert all("\n" not in line and len(line) < 400 for line in repairs)
    assert marks_of(notebook) == marks_of(released)
    for name in EXERCISES:
        assert (name not in draft.lost) == counts(notebook, name), (name, draft.done, repairs)
    run = {normal(cell.source) for cell in notebook.cells if runs(cell)}
    assert not run & {normal(cell.source) for cell in released.cells if is_skipped(cell)}


def marks_of(notebook):
    """Grade ids with all marks, and the text of the checks."""
    marked = [cell for cell in notebook.cells if grade_id(cell)]
    assert len({cell["id"] for cell in notebook.cells}) == len(notebook.cells)
    return {
        grade_id(cell): (dict(cell.metadata.nbgrader), cell.cell_type, cell.source if is_grade(cell) else "")
        for cell in marked
    } | {"count": len(marked)}


def runs(cell):
    return cell.cell_type == "code" and not is_skipped(cell)


def counts(notebook, name):
    """Whether the definition in force where the check stands is the right one, behind the imports."""
    check = next(n for n, cell in enumerate(notebook.cells) if grade_id(cell) == f"test_{name}")
    run = [cell for cell in notebook.cells[:check] if runs(cell)]
    places = [n for n, cell in enumerate(run) if name in defined(cell.source)]
    if not places or not any("from torch import Tensor" in cell.source for cell in run[: places[-1]]):
        return False
    return normal(RIGHT[name]) in normal(run[places[-1]].source)


def normal(source):
    """The code without comment lines, blank lines and blanks at ends of lines."""
    lines = [line.rstrip() for line in source.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))


RIGHT = {cell["id"]: cell["source"] for cell in solved()["cells"] if cell["id"] in EXERCISES}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz") / "course"
    root.mkdir()
    shutil.copytree(ROOT / "solutions" / LAB, root / "solutions" / LAB)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release(root)
    return root


@pytest.mark.skipif(not os.environ.get("AUTOGRADER_LONG"), reason="long: set AUTOGRADER_LONG=1")
@pytest.mark.timeout(7200)
def test_a_class_of_damaged_notebooks_is_graded(course):
    if reason := jail.problem():
        pytest.skip(f"no jail on this machine: {reason}")
    from autograder.grading.batch import grade

    drafts = {f"s{number:03}": damaged(number) for number in range(LONG)}
    for student, (_, handed) in drafts.items():
        mutations_of_files.hand_in(handed, course / "submitted" / student / LAB)
    reports = {report.student: report for report in grade(course, LAB)}
    assert reports.keys() == drafts.keys()
    wrong = {}
    for student, (draft, _) in drafts.items():
        lost = {result.exercise for result in reports[student].results if result.points == 0}
        kept = {result.exercise for result in reports[student].results if result.points == result.possible}
        if (lost, kept) != (draft.lost, set(EXERCISES) - draft.lost) or bool(
            reports[student].problem
        ) != draft.fatal:
            wrong[student] = (
                draft.done,
                draft.lost,
                lost,
                reports[student].problem,
                reports[student].repairs,
            )
    assert wrong == {}
    repaired = sum(bool(report.repairs) for report in reports.values())
    kinds = collections.Counter(kind for draft, _ in drafts.values() for kind in draft.done)
    print(f"{len(reports)} notebooks, {len(kinds)} kinds of damage, {repaired} repaired")
