"""All tests of this folder again, attacks included, as a user without rights: the other kind of jail.

Long (two minutes), so only with AUTOGRADER_LONG=1, and only as root, who can become somebody else.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NOBODY = "65534"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not os.environ.get("AUTOGRADER_LONG"), reason="long: set AUTOGRADER_LONG=1")
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user"
)
def test_everything_holds_without_root():
    become = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, int(NOBODY), int(NOBODY))
        environment = {
            "HOME": home,
            "TMPDIR": home,
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        look = [sys.executable, "-c", "import sys, torch; print(sys.base_prefix)"]
        found = subprocess.run([*become, *look], env=environment, capture_output=True, text=True).stdout
        if found.strip() != sys.base_prefix:
            pytest.skip("this Python is not readable for other users")
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/autograder/isolation"]
        root = Path(__file__).resolve().parents[3]
        run = subprocess.run([*become, *tests], env=environment, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert "no jail" not in run.stdout
