"""Our page maker beside nbconvert's own: the same page, with and without pictures, learner after learner."""

import copy

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from traitlets.config import Config

from autograder.grading.gradebook import PageExporter

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def notebook(*sources, **metadata):
    cells = [nbformat.v4.new_markdown_cell("# A title\n\nwith *words* & <b>HTML</b>", id="title")]
    cells += [nbformat.v4.new_code_cell(source, id=f"cell{n}") for n, source in enumerate(sources)]
    made = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    output = nbformat.v4.new_output("stream", text="1 < 2\n")
    made.cells[1].outputs = [
        output,
        nbformat.v4.new_output("error", ename="E", evalue="no", traceback=["E: no"]),
    ]
    return made


def exporters():
    config = Config({"HTMLExporter": {"template_name": "classic"}})
    return PageExporter(config=config), HTMLExporter(config=config)


def same(page, expected):
    return str(BeautifulSoup(page, "html.parser")) == str(BeautifulSoup(expected, "html.parser"))


@pytest.mark.parametrize("metadata", [{}, {"language_info": {"name": "python"}}])
def test_the_same_page_learner_after_learner(metadata):
    ours, stock = exporters()
    for sources in (
        ("def f(x):\n    return x", "%time f(1)"),
        ("def f(x):\n    return x", "2 < 3"),
        ("x = '<b>'",),
    ):
        given = notebook(*sources, **metadata)
        before = copy.deepcopy(given)
        page, _ = ours.from_notebook_node(given)
        assert same(page, stock.from_notebook_node(given)[0])
        assert given == before


def test_a_very_long_cell_is_shown_without_colours():
    ours, _ = exporters()
    long = "x = 1\n" + "\n " * 50_000 + "\ny = '<b>'"
    page, _ = ours.from_notebook_node(notebook(long))
    assert "y = &#x27;&lt;b&gt;&#x27;" in page


def test_pictures_get_words():
    ours, stock = exporters()
    given = notebook("1")
    given.cells[0].source = f'<img src="data:image/png;base64,{DOT}">'
    page, _ = ours.from_notebook_node(given)
    assert same(page, stock.from_notebook_node(given)[0])
    assert 'alt="No description' in page


def test_another_language_has_other_colours():
    ours, _ = exporters()
    pages = {
        name: ours.from_notebook_node(notebook("def f(): pass", language_info={"name": name}))[0]
        for name in ("python", "text")
    }
    assert pages["python"] != pages["text"]
