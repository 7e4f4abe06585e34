"""An evening with a class: things in wrong places, another gradebook, grades by hand, dates, a run that was stopped."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from invented_results import executions
from nbgrader.api import Gradebook

from autograder.grading.gradebook import LabWriter, entered, open_course, totals
from autograder.grading.selection import misplaced
from autograder.notebooks.release import release

LAB = "03_boxes"


@pytest.fixture
def course(small_class, tmp_path):
    return shutil.copytree(small_class, tmp_path / "course")


def said(ran):
    return " ".join(ran.output.split())


def gradebook(course):
    return Gradebook(f"sqlite:///{course}/gradebook.db", "beyond-classification")


def test_what_is_graded_is_entered_and_left_alone(course, autograder_grade):
    assert entered(course, LAB) == set()
    autograder_grade(course)
    assert entered(course, LAB) == {*(f"student{number:02}" for number in range(4)), "unreadable"}
    assert said(autograder_grade(course)).count("graded before") == 5


@pytest.mark.parametrize("new", ["gradebook", "student"])
def test_what_a_new_gradebook_does_not_know_is_graded_again(new, course, autograder_grade):
    autograder_grade(course)
    before = totals(course, LAB)
    if new == "gradebook":
        for path in course.glob("gradebook.db*"):
            if path.suffix != ".seed":
                path.unlink()
        release(course)
    else:
        with gradebook(course) as opened:
            opened.remove_student("student01")
    again = said(autograder_grade(course))
    assert again.count("graded before") == (0 if new == "gradebook" else 4)
    assert totals(course, LAB) == before


def test_what_lies_in_a_wrong_place_is_named(course, autograder_grade):
    submitted = course / "submitted"
    notebook = submitted / "student00" / LAB / "boxes.ipynb"
    for place in ("nofolder/boxes.ipynb", "other/03_Boxes/boxes.ipynb", "boxes.ipynb"):
        (submitted / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(notebook, submitted / place)
    (submitted / "isfile").mkdir()
    shutil.copy(notebook, submitted / "isfile" / LAB)
    (submitted / ".DS_Store").touch()
    where = [line.split(" is not graded: what is handed in belongs into ") for line in misplaced(course)]
    assert where == [
        ["submitted/boxes.ipynb", f"submitted/STUDENT/{LAB}/"],
        [f"submitted/isfile/{LAB}", f"submitted/isfile/{LAB}/"],
        ["submitted/nofolder/boxes.ipynb", f"submitted/nofolder/{LAB}/"],
        ["submitted/other/03_Boxes", f"submitted/other/{LAB}/"],
    ]
    ran = autograder_grade(course)
    assert ran.exit_code == 0
    assert "submitted/nofolder/boxes.ipynb is not graded" in said(ran)


def test_a_class_in_its_places_is_not_complained_of(course):
    assert misplaced(course) == []


def test_manual_grades_are_told_and_in_the_document(course, autograder_grade):
    autograder_grade(course)
    before = totals(course, LAB)["student00"]
    assert "in the gradebook" not in said(autograder_grade(course))
    with gradebook(course) as opened:
        grade = opened.find_submission_notebook("boxes", LAB, "student00").grades[0]
        change = 1.5 - grade.auto_score
        grade.manual_score = 1.5
        opened.db.commit()
    total = before + change
    assert f"student00: {total:g} points count in the gradebook" in said(autograder_grade(course))
    document = json.loads(autograder_grade(course, "--json").stdout)
    first = document["labs"][0]["submissions"][0]
    assert (first["total"], first["points"]) == (total, before)


def test_a_late_penalty_counts(course, autograder_grade):
    with gradebook(course) as opened:
        opened.update_or_create_assignment(LAB, duedate=datetime(2026, 11, 20))
    stamp = course / "submitted" / "student01" / LAB / "timestamp.txt"
    stamp.write_text("2026-11-21 12:00:00 UTC")
    with (course / "nbgrader_config.py").open("a") as config:
        config.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    assert "student01: 0 points count in the gradebook" in said(autograder_grade(course))
    assert totals(course, LAB)["student01"] == 0 < totals(course, LAB)["student00"]


@pytest.mark.parametrize(
    "content",
    [b"yesterday", b"\xff\xfe\x00", b"2026-13-45", b"9" * 26, b"0001-01-01 00:00:00 +1400", b"1" * 10**6],
)
def test_a_timestamp_that_is_none_is_told(content, course, autograder_grade):
    (course / "submitted" / "student02" / LAB / "timestamp.txt").write_bytes(content)
    ran = autograder_grade(course)
    assert ran.exit_code == 0
    assert "student02: repaired: timestamp.txt holds no date: taken as handed in on time" in said(ran)


@pytest.mark.parametrize("what", ["pipe", "link", "folder"])
def test_a_timestamp_that_is_no_file_is_not_opened(what, course, autograder_grade, tmp_path):
    path = course / "submitted" / "student02" / LAB / "timestamp.txt"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        (tmp_path / "date").write_text("2026-11-21 12:00:00 UTC")
        path.symlink_to(tmp_path / "date")
    else:
        path.mkdir()
    ran = autograder_grade(course)
    assert ran.exit_code == 0
    assert "student02: repaired: timestamp.txt holds no date" in said(ran)


def test_nbgrader_reads_dates_as_safely(course, tmp_path):
    coursedir = open_course(course, LAB).coursedir
    os.mkfifo(tmp_path / "timestamp.txt")
    assert coursedir.get_existing_timestamp(str(tmp_path)) is None
    (tmp_path / "timestamp.txt").unlink()
    (tmp_path / "timestamp.txt").write_text("yesterday")
    assert coursedir.get_existing_timestamp(str(tmp_path)) is None
    (tmp_path / "timestamp.txt").write_text("2026-11-21 12:00:00.5 UTC\n")
    assert coursedir.get_existing_timestamp(str(tmp_path)) == datetime(2026, 11, 21, 12, 0, 0, 500_000)


def test_folders_without_end_stop_nobody(course, autograder_grade, folders_without_end):
    folders_without_end(course / "submitted" / "student01" / LAB)
    ran = autograder_grade(course)
    assert ran.exit_code == 0
    assert len(executions(course)) == 4


@pytest.mark.parametrize("change", ["file", "text", "output"])
def test_whatever_changes_meets_other_hidden_cases(change, course):
    writer = LabWriter(course, LAB)
    folder = course / "submitted" / "student01" / LAB
    before = writer.prepare("student01")["boxes"].seed
    assert writer.prepare("student01")["boxes"].seed == before
    notebook = nbformat.read(folder / "boxes.ipynb", 4)
    if change == "file":
        (folder / "table.bin").write_bytes(b"1")
    elif change == "text":
        notebook.cells.append(nbformat.v4.new_markdown_cell("more"))
    else:
        notebook.metadata["note"] = "other"
    nbformat.write(notebook, folder / "boxes.ipynb")
    assert writer.prepare("student01")["boxes"].seed != before


def test_a_stopped_run_is_spoken_of_though_nothing_was_graded(course, autograder_grade):
    def refuse(student):
        raise KeyboardInterrupt

    assert autograder_grade(course, "--force", on_execution=refuse).exit_code != 0
    shutil.copytree(course / "submitted" / "student00", course / "submitted" / "newcomer")
    resumed = autograder_grade(course, "--resume")
    assert "not part of the run that was stopped: newcomer" in said(resumed)
    assert "newcomer" not in executions(course)


def test_another_run_says_that_one_was_stopped(course, autograder_grade):
    def refuse(student):
        raise KeyboardInterrupt

    assert autograder_grade(course, on_execution=refuse).exit_code != 0
    assert "an earlier run stopped after 0 of 5" in said(autograder_grade(course))


def test_a_folder_name_that_pages_must_not_show_is_told_in_words(course, autograder_grade):
    (course / "submitted" / "student03").rename(course / "submitted" / "O'Brien [late]")
    ran = autograder_grade(course)
    assert ran.exit_code == 1
    assert "could not be graded: submitted/O'Brien [late]: rename the folder" in said(ran)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_release_into_a_folder_that_cannot_be_written(course):
    (course / "labs").chmod(0o555)
    try:
        with pytest.raises(OSError, match="Permission"):
            release(course)
    finally:
        (course / "labs").chmod(0o755)
    assert (course / "labs" / LAB / "boxes.ipynb").is_file()


def test_a_terminal_that_knows_few_letters(course, autograder_grade):
    (course / "submitted" / "student03").rename(course / "submitted" / "Ωmega")
    autograder_grade(course)
    program = Path(sys.executable).with_name("autograder")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [program, "grade", LAB, "--unsafe"], cwd=course, env=environment, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    assert b"?mega" in ran.stdout
