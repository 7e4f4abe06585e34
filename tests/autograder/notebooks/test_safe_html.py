"""Markdown of learners on a page: nothing of it can act, and ordinary markdown looks as it was meant."""

import re
from html.parser import HTMLParser

import nbformat
import pytest
from payloads import PAYLOADS

from autograder.notebooks.harmless import harmless_text, keep_pictures, make_harmless
from autograder.notebooks.safe_html import clean_html, loses_nothing, markdown_filter, markdown_to_html

PNG = "iVBORw0KGgo="
ORDINARY = {
    "emphasis": "*a* **b** ~~c~~ `d` H<sub>2</sub>O x<sup>2</sup><br>next",
    "headings": "# One\n\n## Two & three",
    "quote and lists": "> a\n\n- b\n  - c\n\n1. d\n\n- [x] done\n- [ ] open",
    "table": "| a | b |\n|:--|--:|\n| 1 | **2** |",
    "links": "[a](https://example.org/x?y=1&z=2#w) <https://example.org> [b](#top) [c](other.ipynb) [d](mailto:a@b.c)",
    "pictures": "![a](attachment:a.png) ![b](figures/b.png) <img src='c.png' alt='c' width=200>",
    "details": "<details><summary>Help</summary>\n\nText with **bold** and `code`.\n\n</details>",
    "maths": "$a<b$ and $$\\begin{aligned}x &= y \\\\ z &< w\\end{aligned}$$ and $\\textstyle\\sum_i x_i$",
    "code": "```python\nif a < b and c > d:\n    print('<script>')\n```\n\n    <b>in</b>\n\nand `<img onerror=x>`",
    "characters": "a < b > c & d &amp; &copy; <3 \"quoted\" 'x'",
    "html": "<table><tr><td style='text-align: right'>1</td></tr></table><span style='color: red'>x</span>",
    "notes": "<div class='alert alert-info'>Note</div>",
}
# elements and attributes that run, load, send or cover something
ACTIVE = {
    "script", "iframe", "frame", "object", "embed", "applet", "form", "button", "textarea", "select", "svg", "math",
    "style", "link", "meta", "base", "template", "noscript", "portal", "video", "audio", "source", "track", "frameset",
    "plaintext", "xmp", "marquee", "dialog", "slot",
}  # fmt: skip
ADDRESSES = {
    "href",
    "src",
    "action",
    "formaction",
    "xlink:href",
    "data",
    "poster",
    "background",
    "srcset",
    "cite",
}


class Active(HTMLParser):
    """Collects what a page could do something with."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in ACTIVE or "-" in tag or (tag == "input" and dict(attrs).get("type") != "checkbox"):
            self.found.append((tag, tuple(attrs)))
        for name, value in attrs:
            plain = re.sub(r"[\x00-\x20]", "", value or "").lower()
            scheme = re.match(r"[a-z][a-z0-9+.-]*:", plain)
            bad = name.startswith("on") or name in ("srcdoc", "srcset", "id", "name", "ping", "data-link")
            if name in ADDRESSES:
                if tag == "img":
                    bad = not plain.startswith(("data:image/png", "data:image/jpeg")) and (
                        bool(scheme) or ".." in plain or plain.startswith(("/", "\\"))
                    )
                else:
                    bad = bool(
                        scheme and scheme[0] not in ("http:", "https:", "mailto:")
                    ) or plain.startswith(("/", "\\", ".."))
                bad = bad or "ormgrader" in plain or "localhost" in plain
            if name == "style":
                bad = bool(re.search(r"url|expression|position|@import|z-index", plain))
            if bad:
                self.found.append((tag, name, value))


def active(page):
    parser = Active()
    parser.feed(page)
    parser.close()
    return parser.found


def test_there_are_many_payloads_and_the_probe_sees_them():
    assert len(PAYLOADS) >= 40
    raw = [name for name, text in PAYLOADS.items() if len(text) < 2_000 and active_raw(text)]
    assert len(raw) > 60


def active_raw(text):
    try:
        return active(markdown_to_html(text))
    except Exception:
        return True


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_cell_that_would_act_is_shown_as_text(name):
    source = PAYLOADS[name]
    harmless = harmless_text(source)
    page = markdown_to_html(harmless)
    assert active(page) == []
    assert loses_nothing(page)
    # nothing the learner wrote is hidden from the instructor
    if len(source) < 10_000:
        assert re.sub("[\0\x01]", "\N{REPLACEMENT CHARACTER}", source) in harmless


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_page_shows_nothing_that_acts_even_of_an_uncleaned_cell(name):
    assert active(markdown_filter({}, PAYLOADS[name])) == []
    assert active(clean_html(PAYLOADS[name])) == []


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_markdown_stays_as_it_is(name):
    source, attached = ORDINARY[name], {"a.png": {"image/png": PNG}}
    assert harmless_text(source, ("a.png",)) == source
    page = markdown_filter({"cell": {"attachments": attached}}, source)
    assert active(page) == []
    for mark in {
        "table": ["<table>", 'style="text-align:right"', "<strong>2</strong>"],
        "pictures": [f'src="data:image/png;base64,{PNG}"', 'src="figures/b.png"', 'width="200"'],
        "details": ["<details>", "<summary>Help</summary>", "<strong>bold</strong>"],
        "maths": ["$a&lt;b$", "\\begin{aligned}"],
        "code": ['class="highlight"', "&lt;script&gt;"],
        "links": ['href="https://example.org/x?y=1&amp;z=2#w"', 'href="other.ipynb"', 'href="#top"'],
        "html": ['style="color:red"'],
        "notes": ['class="alert alert-info"'],
    }.get(name, []):
        assert mark in page


def test_a_picture_shown_a_thousand_times_does_not_make_a_page_of_its_own():
    attachments = {"a.png": {"image/png": PNG * 2000}}
    page = markdown_filter({"cell": {"attachments": attachments}}, "![a](attachment:a.png)\n" * 1000)
    assert len(page) < 100_000
    assert page.startswith("<pre>![a]")
    once = markdown_filter({"cell": {"attachments": attachments}}, "![a](attachment:a.png)\n" * 2)
    assert once.count(PNG * 2000) == 2


def test_small_lengths_stay():
    for style in ("font-size:20px", "font-size:1.5em", "width:100%", "color:#009e73", "font-weight:700"):
        assert f'style="{style}"' in clean_html(f'<b style="{style}">x</b>').replace(": ", ":")


def test_the_grader_s_own_markdown_of_all_labs_stays_as_it_is(root_labs):
    for path in root_labs:
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "markdown":
                assert harmless_text(cell.source) == cell.source


def test_a_fence_cannot_be_closed_from_within():
    source = "<script>x</script>\n````\n```\n<script>alert(1)</script>"
    assert active(markdown_to_html(harmless_text(source))) == []


@pytest.mark.timeout(200)
def test_odd_cells_do_not_keep_the_parser_busy_for_ever():
    for opening in (
        "\\begin{a}",
        "$",
        "$$ ",
        "[",
        "![",
        "<",
        "`",
        "*a ",
        "| ",
        "> ",
        "[a](",
        "- ",
        "&",
        "\\(",
    ):
        assert opening in harmless_text(opening * (19_000 // len(opening)))


def test_raw_cells_become_markdown_and_code_cells_stay():
    evil = "<script>alert(1)</script>"
    cells = [
        nbformat.v4.new_raw_cell(evil),
        nbformat.v4.new_code_cell(evil),
        nbformat.v4.new_markdown_cell("*a*"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    make_harmless(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "markdown"]
    assert [cell.source for cell in notebook.cells[1:]] == [evil, "*a*"]
    assert active(markdown_to_html(notebook.cells[0].source)) == []
    assert evil in notebook.cells[0].source
    nbformat.validate(notebook)


def test_only_notebooks_and_pictures_stay_beside_a_graded_notebook(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x89PNG secret")
    folder = tmp_path / "autograded"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.html", "b.svg", "c.HTM", "d.xhtml", "e.js", "f", "sub/g.xml", "nbgrader_config.py"):
        (folder / name).write_text("<script>alert(1)</script>")
    (folder / "fake.png").write_text("<script>alert(1)</script>")
    (folder / "link.png").symlink_to(secret)
    (folder / "sub" / "real.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "lab.ipynb").write_text("{}")
    keep_pictures(folder)
    kept = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())
    assert kept == ["lab.ipynb", "sub/real.png"]


@pytest.fixture
def root_labs():
    from pathlib import Path

    labs = sorted((Path(__file__).resolve().parents[3] / "labs").glob("*/*.ipynb"))
    assert labs
    return labs
