"""An instructor's way in a real browser: the Formgrader's Autograde button, and the grade it shows afterwards."""

import shutil
from pathlib import Path

import nbformat
import pytest

LAB = "05_fast_rcnn"
ROOT = Path(__file__).resolve().parents[2]
SMOOTH_L1 = """\
size = (pred - target).abs()
    return size if beta == 0 else torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Lab 5 is released; ann solved one exercise of it."""
    from autograder.notebooks.release import release

    root = tmp_path_factory.mktemp("formgrader") / "course"
    shutil.copytree(ROOT / "solutions" / LAB, root / "solutions" / LAB)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release(root)
    notebook = nbformat.read(root / "labs" / LAB / "fast_rcnn.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "smooth_l1":
            cell.source = cell.source.replace('raise NotImplementedError("write me")', SMOOTH_L1)
    folder = root / "submitted" / "ann" / LAB
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "fast_rcnn.ipynb")
    return root


@pytest.fixture(scope="module")
def formgrader(browser, course, tmp_path_factory):
    from jupyter_in_browser import jupyter_lab

    with jupyter_lab(course, tmp_path_factory.mktemp("settings")) as address:
        yield f"{address}/formgrader"


def wait(browser, script, seconds=120):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.3).until(lambda driver: driver.execute_script(script))


def test_the_autograde_button_grades_a_submission(browser, formgrader, course):
    browser.get(f"{formgrader}/manage_submissions/{LAB}")
    wait(browser, "return !!document.querySelector('td.autograde a')")
    assert "needs autograding" in browser.page_source
    browser.execute_script("document.querySelector('td.autograde a').click()")
    title = wait(
        browser,
        "return document.querySelector('.modal.show .modal-title, .modal.in .modal-title')?.innerText",
    )
    assert "Success" in title
    assert (course / "autograded" / "ann" / LAB / "fast_rcnn.ipynb").is_file()


def test_the_grade_is_shown(browser, formgrader):
    browser.get(f"{formgrader}/manage_submissions/{LAB}")
    wait(browser, "return document.body.innerText.includes('4 / 38')")
    row = browser.execute_script("return document.querySelector('td.autograde').closest('tr').innerText")
    assert "ann" in row
    assert "graded" in row


def test_the_submission_page_shows_the_outcomes(browser, formgrader):
    browser.get(f"{formgrader}/gradebook/{LAB}/fast_rcnn")
    wait(browser, "return !!document.querySelector('td.name a')")
    browser.execute_script("document.querySelector('td.name a').click()")
    wait(browser, "return location.pathname.includes('/submissions/')")
    wait(browser, "return document.body.innerText.includes('4 of 4 points')")
    assert "not attempted" in browser.find_element("tag name", "body").text
