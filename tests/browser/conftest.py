"""A JupyterLab and a browser for the tests; both are skipped, saying so, where chromium is missing."""

import shutil

import pytest


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless chromium with a new user folder."""
    pytest.importorskip("selenium", reason="selenium is not installed (extra: browser)")
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    from jupyter_in_browser import open_browser

    driver = open_browser(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()
