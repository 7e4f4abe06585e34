"""Starting JupyterLab, opening it in chromium, and working a notebook in it as a person would."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)


def open_browser(user_folder, width=1400, height=1000):
    """A headless chromium."""
    options = Options()
    for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={user_folder}"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(60)
    return driver


@contextlib.contextmanager
def jupyter_lab(folder: Path, settings: Path, **environment: str):
    """JupyterLab on ``folder``; yields its address. ``settings`` keeps it away from the user's own settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        f"--ServerApp.root_dir={folder}",
    ]
    own = {
        "JUPYTER_CONFIG_DIR": str(settings / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings / "lab"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    server = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **own, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status", server)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(address, server, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with code {server.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.3)
    raise TimeoutError(f"JupyterLab did not answer within {seconds} s")


class Notebook:
    """An open notebook."""

    def __init__(self, driver, address, path):
        self.driver = driver
        driver.get(f"{address}/lab/tree/{path}?reset")
        self.wait(
            "return !!(window.jupyterapp && window.jupyterapp.shell.currentWidget?.content?.widgets?.length)"
        )
        self.wait(
            "return window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        )
        self.js("window.jupyterapp.shell.collapseLeft?.()")

    def js(self, script, *arguments):
        """Run JavaScript in the page; ``notebook`` is the notebook's content."""
        return self.driver.execute_script(
            f"const notebook = window.jupyterapp?.shell.currentWidget?.content; {script}", *arguments
        )

    def wait(self, script, *arguments, seconds=120):
        """Wait until the script returns something true."""
        return WebDriverWait(self.driver, seconds, 0.3).until(lambda _: self.js(script, *arguments))

    def find(self, text):
        """Number of the first code cell that contains ``text``."""
        number = self.js(
            "return notebook.widgets.findIndex(c => c.model.type === 'code'"
            " && c.model.sharedModel.getSource().includes(arguments[0]))",
            text,
        )
        assert number >= 0, f"no cell contains {text!r}"
        return number

    def write(self, number, source):
        """Type over a cell."""
        self.js("notebook.widgets[arguments[0]].model.sharedModel.setSource(arguments[1])", number, source)

    def source(self, number):
        """The text of a cell."""
        return self.js("return notebook.widgets[arguments[0]].model.sharedModel.getSource()", number)

    def run(self, number, seconds=120):
        """Run a cell, wait for its end and scroll to it; returns the element that shows its outputs."""
        before = self.js("return notebook.widgets[arguments[0]].model.executionCount", number)
        self.js(
            "notebook.activeCellIndex = arguments[0]; notebook.deselectAll();"
            " window.jupyterapp.commands.execute('notebook:run-cell')",
            number,
        )
        self.wait(
            "const model = notebook.widgets[arguments[0]].model;"
            " return model.executionState !== 'running' && model.executionCount !== null"
            " && model.executionCount !== arguments[1]",
            number,
            before,
            seconds=seconds,
        )
        return self.show(number)

    def show(self, number):
        """Scroll to a cell; returns the element of its outputs."""
        self.js(
            "notebook.activeCellIndex = arguments[0]; notebook.scrollToItem(arguments[0], 'start')", number
        )
        time.sleep(1)
        return self.js("return notebook.widgets[arguments[0]].node", number).find_element(
            By.CSS_SELECTOR, ".jp-Cell-outputArea"
        )
