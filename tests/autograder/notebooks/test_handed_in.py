"""The notebook of a lab is found among what was handed in, or the learner is told what was handed in instead."""

import io
import os
import zipfile

import nbformat
import pytest

from autograder.notebooks import handed_in
from autograder.notebooks.handed_in import find_notebook
from autograder.notebooks.reading import Unreadable, read_notebook


@pytest.fixture
def release(fresh_course):
    return fresh_course / "labs" / "01_tiny" / "tiny.ipynb"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "submitted").mkdir()
    return tmp_path / "submitted"


def as_bytes(notebook):
    return nbformat.writes(notebook).encode()


def archive(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.ipynb", content)
    return packed.getvalue()


def test_the_right_name_is_taken(folder, release, solved):
    (folder / "tiny.ipynb").write_bytes(as_bytes(solved))
    notebook, repairs = find_notebook(folder, release)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in solved.cells]
    assert repairs == []


def test_other_notebooks_beside_it_are_named(folder, release, solved, released):
    (folder / "tiny.ipynb").write_bytes(as_bytes(solved))
    for number in range(5):
        (folder / f"try {number}.ipynb").write_bytes(as_bytes(released))
    assert find_notebook(folder, release)[1] == [
        "tiny.ipynb was taken; handed in as well and not graded: try 0.ipynb, try 1.ipynb, try 2.ipynb and 2 more"
    ]


@pytest.mark.parametrize(
    "name", ["lab1 final (2).ipynb", "été.ipynb", "a/b/tiny.ipynb", "tiny.ipynb.txt", "tiny"]
)
def test_another_name(folder, release, solved, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(as_bytes(solved))
    notebook, repairs = find_notebook(folder, release)
    assert len(notebook.cells) == len(solved.cells)
    assert repairs == [f"“{name}” was taken for tiny.ipynb"]


def test_of_several_the_one_with_most_answers(folder, release, solved, released, fill):
    (folder / "tiny.ipynb").write_bytes(as_bytes(released))
    (folder / "a.ipynb").write_bytes(as_bytes(fill(released, double="return 2 * n")))
    (folder / "b.ipynb").write_bytes(as_bytes(solved))
    notebook, repairs = find_notebook(folder, release)
    assert "return 3 * n" in "".join(cell.source for cell in notebook.cells)
    assert repairs == [
        "“b.ipynb” was taken for tiny.ipynb; handed in as well and not graded: tiny.ipynb, a.ipynb"
    ]


@pytest.mark.parametrize("name", ["lab.zip", "tiny.ipynb"])
def test_in_an_archive(folder, release, solved, name):
    (folder / name).write_bytes(archive(other="{}", work=as_bytes(solved)))
    notebook, repairs = find_notebook(folder, release)
    assert len(notebook.cells) == len(solved.cells)
    assert repairs[0].startswith(f"“work.ipynb in {name}” was taken for tiny.ipynb")


def test_a_python_file(folder, release, solved):
    code = [cell.source for cell in solved.cells if cell.cell_type == "code"]
    (folder / "tiny.py").write_text("\n\n".join(f"# %%\n{source}" for source in code))
    notebook, repairs = find_notebook(folder, release)
    assert [cell.source for cell in notebook.cells if cell.source] == code
    assert len(repairs) == 2


def test_another_lab_is_named(folder, tmp_path, solved, released):
    """By its contents, even where the metadata says nothing."""
    labs = tmp_path / "labs"
    for lab, name in (("03_boxes", "boxes"), ("05_tiny", "tiny")):
        (labs / lab).mkdir(parents=True)
        other = lab.startswith("03")
        notebook = nbformat.from_dict(
            {**released, "cells": released.cells[:4] if other else released.cells[5:7]}
        )
        nbformat.write(notebook, labs / lab / f"{name}.ipynb")
    (folder / "tiny.ipynb").write_bytes(as_bytes(nbformat.v4.new_notebook(cells=solved.cells[:4])))
    with pytest.raises(Unreadable) as error:
        find_notebook(folder, labs / "05_tiny" / "tiny.ipynb")
    assert str(error.value) == (
        "tiny.ipynb is lab 3 (03_boxes), handed in as lab 5 (05_tiny): hand in the notebook of 05_tiny"
    )


def test_no_lab_at_all(folder, release):
    (folder / "tiny.ipynb").write_bytes(as_bytes(nbformat.v4.new_notebook()))
    with pytest.raises(Unreadable, match=r"holds none of the exercises of lab 1 \(01_tiny\)"):
        find_notebook(folder, release)


def test_nothing_and_nothing_readable(folder, release):
    with pytest.raises(Unreadable, match=r"nothing was handed in: there is no tiny\.ipynb"):
        find_notebook(folder, release)
    (folder / "notes.txt").write_text("hello")
    (folder / "lab.ipynb").write_text("<html>")
    with pytest.raises(Unreadable, match=r"lab\.ipynb is not a notebook but a web page"):
        find_notebook(folder, release)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (archive(), "without a notebook"),
        (b"PK\x03\x04" + b"x" * 100, "cannot be opened"),
        (archive(work=b"{" * 500)[:50], "cannot be opened"),
    ],
)
def test_archives_that_help_nobody(folder, release, raw, said):
    (folder / "lab.zip").write_bytes(raw if raw.startswith(b"PK\x03\x04") else b"PK\x03\x04" + raw)
    with pytest.raises(Unreadable, match=said):
        find_notebook(folder, release)


def test_an_archive_is_unpacked_only_up_to_a_size(folder, release, solved, monkeypatch):
    monkeypatch.setattr(handed_in, "MOST_UNPACKED", 1 << 16)
    (folder / "lab.zip").write_bytes(archive(a=b" " * (1 << 20), b=as_bytes(solved)))
    with pytest.raises(Unreadable):
        find_notebook(folder, release)


def test_many_small_archives_share_what_may_be_unpacked(folder, release, solved, monkeypatch):
    monkeypatch.setattr(handed_in, "MOST_UNPACKED", 50_000)
    for number in range(9):
        (folder / f"{number}.zip").write_bytes(
            archive(**{f"n{member}": b"[" + b"[]," * 3000 for member in range(9)})
        )
    (folder / "z.zip").write_bytes(archive(b=as_bytes(solved)))
    read = []
    monkeypatch.setattr(
        handed_in, "read_notebook", lambda raw, name: read.append(name) or read_notebook(raw, name)
    )
    with pytest.raises(Unreadable):
        find_notebook(folder, release)
    assert 1 <= len(read) <= 6


def test_a_search_ends_in_time(folder, release, solved, monkeypatch):
    monkeypatch.setattr(handed_in, "LONGEST_SEARCH", -1.0)
    (folder / "tiny.ipynb").write_bytes(as_bytes(solved))
    with pytest.raises(Unreadable, match="more was handed in than can be looked through"):
        find_notebook(folder, release)


def test_folders_without_end_are_not_followed(folder, release, solved, folders_without_end):
    (folder / "tiny.ipynb").write_bytes(as_bytes(solved))
    folders_without_end(folder)
    notebook, report = find_notebook(folder, release)
    assert notebook.cells
    assert report == []


def test_links_and_pipes_are_never_opened(folder, release, solved, tmp_path):
    (tmp_path / "theirs.ipynb").write_bytes(as_bytes(solved))
    (folder / "tiny.ipynb").symlink_to(tmp_path / "theirs.ipynb")
    with pytest.raises(Unreadable, match=r"tiny\.ipynb cannot be read \(it is a link\)"):
        find_notebook(folder, release)
    (folder / "tiny.ipynb").unlink()
    os.mkfifo(folder / "tiny.ipynb")
    with pytest.raises(Unreadable, match="no ordinary file"):
        find_notebook(folder, release)


def test_file_names_are_quoted_in_one_line(folder, release, solved):
    (folder / "a\nb\x1b[31m.ipynb").write_bytes(as_bytes(solved))
    (folder / os.fsdecode(b"\xff.ipynb")).write_bytes(b"{}")
    _, (report,) = find_notebook(folder, release)
    assert report.isprintable()
