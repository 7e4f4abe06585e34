"""What was handed in beside a notebook: names and bytes are kept, nothing is followed, opened in vain or too much."""

import os

import pytest

from autograder.grading import files
from autograder.grading.files import files_beside, links_below


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "submitted"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "lab.ipynb").write_text("{}")
    (inside / "a" / "other.ipynb").write_text("{}")
    (inside / "folder.ipynb").mkdir()
    (inside / "folder.ipynb" / "inside").write_text("would stand in the graded notebook's way")
    (inside / "a" / "b" / "data.bin").write_bytes(b"\x00\xff")
    (inside / "module.py").write_text("x = 1")
    (inside / "__pycache__").mkdir()
    (inside / "__pycache__" / "module.pyc").write_bytes(b"")
    return inside


def test_names_and_bytes_are_kept_and_notebooks_left(folder):
    assert files_beside(folder) == ({"a/b/data.bin": b"\x00\xff", "module.py": b"x = 1"}, [])


def test_no_folder_no_files(tmp_path):
    assert files_beside(tmp_path / "nothing") == ({}, [])


def test_links_and_special_files_are_not_opened(folder, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (folder / "to_file").symlink_to(tmp_path / "secret" / "key")
    (folder / "to_folder").symlink_to(tmp_path / "secret")
    (folder / "to_nothing").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found, left_out = files_beside(folder)
    assert set(found) == {"a/b/data.bin", "module.py"}
    assert left_out == [
        "pipe was left out: it is no ordinary file",
        "to_file was left out: it is a link",
        "to_folder was left out: it is a link",
        "to_nothing was left out: it is a link",
    ]
    assert links_below(folder) == ["to_file", "to_folder", "to_nothing"]


def test_names_that_no_process_could_be_given_are_left_out(folder):
    (folder / os.fsdecode(b"\xff")).write_text("x")
    found, left_out = files_beside(folder)
    assert set(found) == {"a/b/data.bin", "module.py"}
    assert left_out == ["? was left out: its name is not UTF-8"]


def test_folders_count_as_files_do(folder, monkeypatch):
    for number in range(20):
        (folder / f"d{number:02}" / "e" / "f").mkdir(parents=True)
        (folder / f"d{number:02}" / "e" / "f" / "g").write_text("x")
    monkeypatch.setattr(files, "MOST_FILES", 30)
    found, left_out = files_beside(folder)
    assert 5 <= len(found) <= 9
    assert left_out


def test_what_is_too_much_is_left_out(folder, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 4)
    found, left_out = files_beside(folder)
    assert found == {"a/b/data.bin": b"\x00\xff"}
    assert "module.py was left out" in left_out[0]
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    monkeypatch.setattr(files, "MOST_FILES", 3)  # one, and the three folders it is in
    assert len(files_beside(folder)[0]) == 1
