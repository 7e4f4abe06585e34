"""A learner's way through lab 5 in a real browser: open it, write an exercise, see it checked, move a slider."""

import shutil
from pathlib import Path

import pytest

LABS = Path(__file__).resolve().parents[2] / "labs"
SMOOTH_L1 = """\
    size = (pred - target).abs()
    return torch.where(size < beta, 0.5 * size**2 / max(beta, 1e-12), size - 0.5 * beta)"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    from jupyter_in_browser import Notebook, jupyter_lab

    folder = tmp_path_factory.mktemp("labs")
    shutil.copytree(LABS, folder, dirs_exist_ok=True)
    with jupyter_lab(folder, tmp_path_factory.mktemp("settings")) as address:
        notebook = Notebook(browser, address, "05_fast_rcnn/fast_rcnn.ipynb")
        notebook.run(notebook.find("import torch"))
        yield notebook


def test_a_stub_is_not_attempted(lab):
    lab.run(lab.find("def smooth_l1"))
    assert "not attempted yet" in lab.run(lab.find("check(smooth_l1)")).text


def test_a_wrong_answer_is_told_what_is_wrong(lab):
    cell = lab.find("def smooth_l1")
    stub = 'raise NotImplementedError("write me")'
    lab.write(cell, lab.source(cell).replace(stub, "return (pred - target).abs()"))
    lab.run(cell)
    said = lab.run(lab.find("check(smooth_l1)")).text
    assert "not yet right" in said
    assert "expected" in said


def test_a_right_answer_earns_its_points(lab):
    cell = lab.find("def smooth_l1")
    lab.write(cell, lab.source(cell).replace("    return (pred - target).abs()", SMOOTH_L1))
    lab.run(cell)
    said = lab.run(lab.find("check(smooth_l1)")).text
    assert "correct" in said
    assert "4 of 4 points" in said


def test_a_slider_redraws_the_picture(lab):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    outputs = lab.run(lab.find("explore_losses()"))
    lab.wait("return arguments[0].querySelectorAll('.noUi-handle').length >= 2", outputs)
    picture = (
        "return arguments[0].querySelector('.widget-html-content img, .widget-html-content svg').outerHTML"
    )
    before = lab.js(picture, outputs)
    handle = outputs.find_element(By.CSS_SELECTOR, ".noUi-handle")
    handle.send_keys(Keys.ARROW_RIGHT * 5)
    lab.wait(f"{picture} !== arguments[1]", outputs, before)


def test_nothing_went_wrong_in_the_page(lab):
    severe = [entry["message"] for entry in lab.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [message for message in severe if "widget" in message.lower()]
