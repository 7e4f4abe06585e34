"""The sanitising step, in our command and nbgrader's own: what stands in autograded/ and on the feedback page."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

LAB = "03_boxes"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


COMMANDS = {
    "autograder grade": [["autograder", "grade", LAB]],
    "nbgrader autograde": [["nbgrader", "autograde", LAB], ["nbgrader", "generate_feedback", LAB]],
}


@pytest.fixture(scope="module", params=COMMANDS)
def graded(fresh_boxes_course, submission, hand_in, tmp_path_factory, request):
    root = tmp_path_factory.mktemp("harmless") / "course"
    shutil.copytree(fresh_boxes_course, root)
    notebook = submission()
    text = nbformat.v4.new_markdown_cell("**bold** ![a](attachment:a.png) ![b](chart.png)")
    text["attachments"] = {"a.png": {"image/png": "iVBORw0KGgo=", "text/html": EVIL}}
    notebook.cells += [
        text,
        nbformat.v4.new_markdown_cell(EVIL),
        nbformat.v4.new_raw_cell(EVIL, metadata={"raw_mimetype": "text/html"}),
        nbformat.v4.new_markdown_cell("![gone](attachment:gone.png)"),
    ]
    for cell in notebook.cells:
        cell.metadata.update(name=EVIL, tags=[EVIL], trusted=True)
    notebook.metadata.update(title=EVIL, widgets={EVIL: EVIL})
    files = {
        "evil.html": EVIL.encode(),
        "evil.svg": EVIL.encode(),
        "chart.png": b"\x89PNG\r\n\x1a\n",
        "a/b.xml": b"x",
    }
    hand_in(root, "eve", notebook, files)
    hand_in(root, EVIL.replace("/", ""), submission())
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in COMMANDS[request.param]:
        subprocess.run(command, cwd=root, env=environment, capture_output=True)
    return root


def test_the_graded_notebook_holds_nothing_that_acts(graded):
    folder = graded / "autograded" / "eve" / LAB
    assert sorted(path.name for path in folder.rglob("*")) == ["boxes.ipynb", "chart.png"]
    notebook = nbformat.read(folder / "boxes.ipynb", 4)
    nbformat.validate(notebook)
    assert not {"title", "widgets"} & set(notebook.metadata)
    for cell in notebook.cells:
        assert not {"name", "trusted"} & set(cell.metadata)
        assert EVIL not in cell.metadata.get("tags", [])
    text, *others = notebook.cells[-4:]
    assert text.source == "**bold** ![a](attachment:a.png) ![b](chart.png)"
    assert text.attachments == {"a.png": {"image/png": "iVBORw0KGgo="}}
    for cell in others:
        assert cell.cell_type == "markdown"
        assert "```text\n" in cell.source


def test_the_feedback_page_is_made_and_shows_pictures_and_text(graded):
    folder = graded / "feedback" / "eve" / LAB
    page = (folder / "boxes.html").read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<strong>bold</strong>" in page
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in page
    assert sorted(path.name for path in folder.iterdir()) == ["boxes.html", "chart.png"]


def test_a_name_that_would_act_is_not_graded(graded):
    assert [path.name for path in (graded / "autograded").iterdir() if any(path.rglob("*.ipynb"))] == ["eve"]
    assert [path.name for path in (graded / "feedback").iterdir()] == ["eve"]
