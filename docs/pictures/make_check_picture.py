"""Draw docs/pictures/check.png: what a check says of a wrong RoI pooling. Needs chromium (and its driver).

python docs/pictures/make_check_picture.py
"""

import sys
import tempfile
from pathlib import Path

from autograder import check
from autograder.exercises import load

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "tests" / "browser"))

from jupyter_in_browser import open_browser  # noqa: E402

known = next(known for known in load("roi_pool").misconceptions if known.name == "last cell left out")
style = "body{font:15px/1.5 sans-serif;margin:14px;width:820px;background:#fff}code,pre{font-size:14px}"
page = f"<style>{style}</style>{check(known.function, 'roi_pool')._repr_html_()}"
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    (Path(folder) / "page.html").write_text(f'<meta charset="utf-8">{page}', encoding="utf-8")
    browser = open_browser(Path(folder) / "chromium", width=880, height=400)
    browser.get((Path(folder) / "page.html").as_uri())
    height = browser.execute_script("return document.body.offsetHeight") + 28
    browser.set_window_size(
        880, height + browser.execute_script("return window.outerHeight - window.innerHeight")
    )
    browser.save_screenshot(str(HERE / "check.png"))
    browser.quit()
