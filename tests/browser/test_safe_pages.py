"""What learners hand in does nothing in the instructor's browser: on feedback pages and in the Formgrader."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "autograder" / "notebooks"))
from payloads import PAYLOADS  # noqa: E402

LAB = "03_boxes"
MASTER = """\
# %% [markdown]
# # Boxes

# %%
import torch
from autograder import check

# %% nbgrader={"grade_id": "smooth_l1", "solution": true}
def smooth_l1(pred, target, beta=1.0):
    ### BEGIN SOLUTION
    return (pred - target).abs()
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_smooth_l1", "grade": true}
check(smooth_l1)
"""
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"
# alert() is counted, in the page or in any frame of it
COUNT = "window.alert = () => { try { top.hacked = (top.hacked || 0) + 1 } catch (e) {} }"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A graded course; eve tried everything. The Formgrader would run a configuration from her folder."""
    from autograder.notebooks.release import release

    root = tmp_path_factory.mktemp("pages") / "course"
    (root / "solutions" / LAB).mkdir(parents=True)
    (root / "solutions" / LAB / "boxes.py").write_text(MASTER)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release(root)
    notebook = nbformat.read(root / "labs" / LAB / "boxes.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "smooth_l1":
            acts = f"print({EVIL!r})"
            cell.source = (
                f"{acts}\ndef smooth_l1(p, t, beta=1.0):\n    {acts}\n    raise ValueError({EVIL!r})"
            )
            cell.metadata["magics_language"] = EVIL
        cell.metadata["name"] = EVIL
    folder = root / "submitted" / "eve" / LAB
    folder.mkdir(parents=True)
    notebook.cells += [nbformat.v4.new_markdown_cell(text) for text in PAYLOADS.values()]
    notebook.cells += [
        nbformat.v4.new_markdown_cell(
            f"![x](/formgrader?path={folder})\n\n![y](../../../formgrader?path={folder})"
        ),
        nbformat.v4.new_markdown_cell("[my page](evil.html) ![chart](chart.png) **really bold**"),
        nbformat.v4.new_raw_cell(EVIL, metadata={"raw_mimetype": "text/html"}),
        nbformat.v4.new_code_cell(f"print({EVIL!r})\nraise type({EVIL!r}, (Exception,), {{}})({EVIL!r})"),
        nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", {"text/html": EVIL})]),
    ]
    notebook.metadata.update(
        title=EVIL, widgets={"application/vnd.jupyter.widget-state+json": {"state": EVIL}}
    )
    nbformat.write(notebook, folder / "boxes.ipynb")
    (folder / "evil.html").write_text(EVIL)
    (folder / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "nbgrader_config.py").write_text(f"open({str(root / 'owned')!r}, 'w').close()")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in ("autograde", "generate_feedback"):
        subprocess.run(["nbgrader", command, LAB], cwd=root, env=environment, check=True, capture_output=True)
    return root


@pytest.fixture
def watched(browser):
    """The browser, counting what runs."""
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT})
    yield browser
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    browser.get("about:blank")


def act(browser):
    """What a reader may do: point at, focus and click everything the learner wrote; how often something ran."""
    return browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        window.open = () => null;
        document.addEventListener('click', event => event.preventDefault());
        for (const element of document.querySelectorAll('#notebook *, body > *')) {
            for (const kind of ['mouseover', 'mouseenter', 'focus', 'toggle', 'load', 'error'])
                if (!['SCRIPT', 'LINK', 'IMG'].includes(element.tagName) || kind.startsWith('mouse'))
                    element.dispatchEvent(new Event(kind, {bubbles: false}));
        }
        setTimeout(() => done(window.hacked || 0), 1500);
        """
    )


def test_the_probe_sees_what_runs(watched, tmp_path):
    (tmp_path / "raw.html").write_text("<div id=notebook>" + "\n".join(list(PAYLOADS.values())[:5]) + EVIL)
    watched.get((tmp_path / "raw.html").as_uri())
    assert act(watched) >= 2


def test_a_feedback_page_runs_nothing(watched, course):
    page = course / "feedback" / "eve" / LAB / "boxes.html"
    watched.get(page.as_uri())
    assert act(watched) == 0
    assert not (page.parent / "evil.html").exists()
    assert watched.find_element("css selector", "img[src='chart.png']")
    text = watched.find_element("tag name", "body").text
    assert "really bold" in text
    assert "<script>alert(1)</script>" in text  # shown as text
    assert "what was found" in text.lower()


def test_the_submission_page_runs_nothing_and_obeys_nothing(watched, course, tmp_path_factory):
    from jupyter_in_browser import jupyter_lab

    with jupyter_lab(course, tmp_path_factory.mktemp("settings")) as address:
        watched.get(f"{address}/formgrader/gradebook/{LAB}/boxes")
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(watched, 60).until(
            lambda d: d.execute_script("return !!document.querySelector('td.name a')")
        )
        watched.execute_script("document.querySelector('td.name a').click()")
        WebDriverWait(watched, 60).until(lambda d: "really bold" in d.find_element("tag name", "body").text)
        assert act(watched) == 0
        assert not (course / "owned").exists()
        found = watched.execute_script(
            "const box = document.querySelector('#notebook-container');"
            "return [box.querySelectorAll('script, iframe, svg, form, object, embed, style').length,"
            " [...box.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length,"
            " [...box.querySelectorAll('[href], [src]')].filter(e => /^(javascript|vbscript|data:text)/i"
            ".test(e.href || e.src)).length]"
        )
        assert found == [0, 0, 0]
        here = watched.current_url.split("?")[0].rstrip("/")
        status = watched.execute_async_script(
            "const done = arguments[1]; fetch(arguments[0]).then(r => done(r.status))", f"{here}/evil.html"
        )
        assert status == 404
