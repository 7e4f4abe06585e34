"""Screenshots of everything people see, to be looked at: python tests/browser/look.py OUT [COURSE].

OUT gets pictures of lab 5, its checks and widgets; or, with the folder of a graded COURSE (build/demo/course), of the
Formgrader and of feedback pages.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from jupyter_in_browser import Notebook, jupyter_lab, open_browser

LABS = Path(__file__).resolve().parents[2] / "labs"
LAB = "05_fast_rcnn"


def look_at_lab(driver, folder, out):
    """The lab's first screen, widgets, and the message about a wrong answer."""
    shutil.copytree(LABS, folder / "labs")
    with jupyter_lab(folder / "labs", folder / "settings") as address:
        notebook = Notebook(driver, address, f"{LAB}/fast_rcnn.ipynb")
        time.sleep(3)
        driver.save_screenshot(out / "lab.png")
        notebook.run(notebook.find("import torch"))
        wrong = (
            "return load('roi_pool').misconceptions[1].function(features, rois, output_size, spatial_scale)"
        )
        cell = notebook.find("def roi_pool")
        stub = 'raise NotImplementedError("write me")'
        notebook.write(
            cell, "from autograder.exercises import load\n" + notebook.source(cell).replace(stub, wrong)
        )
        for name, text in (
            ("pyramid", "viewing.show_pyramid"),
            ("roi_bins", "viewing.show_roi_bins"),
            ("roi_bins_widget", "explore_roi_bins"),
            ("losses_widget", "explore_losses()"),
            ("stub", "def roi_pool"),
            ("check_wrong", "check(roi_pool)"),
            ("check_blank", "check(spatial_pyramid_pool)"),
        ):
            notebook.run(notebook.find(text))
            time.sleep(1.5)
            driver.save_screenshot(out / f"{name}.png")


def look_at_grades(driver, folder, course, out):
    """The Formgrader's pages and a feedback page."""
    with jupyter_lab(course, folder / "settings2") as address:
        for name, page in (
            ("formgrader_assignments", "formgrader/manage_assignments"),
            ("formgrader_submissions", f"formgrader/manage_submissions/{LAB}"),
            ("formgrader_students", "formgrader/manage_students"),
            ("formgrader_gradebook", f"formgrader/gradebook/{LAB}/fast_rcnn"),
        ):
            driver.get(f"{address}/{page}")
            time.sleep(4)
            driver.save_screenshot(out / f"{name}.png")
    for student in ("cas", "kim", "ivy", "pam"):
        driver.get((course / "feedback" / student / LAB / "fast_rcnn.html").as_uri())
        time.sleep(2)
        driver.save_screenshot(out / f"feedback_{student}.png")
        driver.execute_script("document.getElementsByName('test_roi_pool')[0]?.scrollIntoView()")
        driver.execute_script("window.scrollBy(0, -200)")
        time.sleep(1)
        driver.save_screenshot(out / f"feedback_{student}_roi_pool.png")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = open_browser(Path(folder) / "chromium")
        try:
            if len(sys.argv) == 2:
                look_at_lab(driver, Path(folder), out)
            else:
                look_at_grades(driver, Path(folder), Path(sys.argv[2]).resolve(), out)
        finally:
            driver.quit()
