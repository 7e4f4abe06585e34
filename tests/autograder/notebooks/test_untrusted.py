"""Files handed in are walked through in order, up to a depth and a number; only ordinary ones are opened."""

import os

import pytest

from autograder.notebooks import untrusted
from autograder.notebooks.untrusted import entries, opened


def names(folder):
    return [os.path.relpath(entry.path, folder) for entry in entries(folder)]


def test_all_that_is_there_in_order(tmp_path):
    for name in ("b/x", "b/c/y", "a", "d/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a", "b", "d", "b/c", "b/x", "b/c/y", "d/z"]
    assert names(tmp_path / "nothing") == []


def test_links_are_told_and_not_followed(tmp_path):
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to("nowhere")
    assert names(tmp_path) == ["gone", "up"]


def test_depth_and_number_have_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "DEEPEST", 2)
    (tmp_path / "1/2/3/4").mkdir(parents=True)
    assert names(tmp_path) == ["1", "1/2", "1/2/3"]
    monkeypatch.setattr(untrusted, "MOST_ENTRIES", 2)
    assert names(tmp_path) == ["1", "1/2"]


def test_only_ordinary_files_are_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    with opened(tmp_path / "file") as file:
        assert file.read(3) == b"123"
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "nothing"):
        with pytest.raises(OSError), opened(tmp_path / name):
            pass
