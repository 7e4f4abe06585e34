"""The gradebook in a real PostgreSQL server, started here from Debian's package; skipped, saying so, without it."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.grading.batch import Options, grade
from autograder.grading.gradebook import scores
from autograder.notebooks.release import release

LAB = "03_boxes"


def program(name: str) -> str:
    found = [shutil.which(name), *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    return next((path for path in reversed(found) if path), "")


@pytest.fixture(scope="module")
def db_url():
    """The address of a new database. The server refuses to run as root, so root starts it as somebody else."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed (extra: test)")
    if not (program("initdb") and program("pg_ctl")):
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    as_other = user if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        if as_other:
            shutil.chown(folder, "nobody", user["group"])

        def run(name, *arguments):
            command = [program(name), "-D", f"{folder}/data", *arguments]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_other)

        run("initdb", "--username=grader", "--auth=trust", "--no-sync", "--encoding=UTF8")
        run(
            "pg_ctl", "--wait", "--log", f"{folder}/log", "-o", f"-k {folder} -c listen_addresses=''", "start"
        )
        try:
            yield f"postgresql+psycopg2://grader@/postgres?host={folder}"
        finally:
            run("pg_ctl", "--mode=immediate", "stop")


@pytest.fixture(scope="module")
def course(db_url, fresh_boxes_course, tmp_path_factory, submission, hand_in):
    """A small class; its gradebook is in the server."""
    root = tmp_path_factory.mktemp("postgresql") / "course"
    shutil.copytree(fresh_boxes_course, root, ignore=shutil.ignore_patterns("gradebook.db*"))
    with (root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {db_url!r}\n")
    release(root)
    hand_in(root, "blank", submission(smooth_l1="pass"))
    hand_in(root, "crash", submission(smooth_l1="import os; os._exit(1)"))
    hand_in(root, "perfect", submission())
    return root


def test_grades_are_in_the_server(course):
    reports = {report.student: report for report in grade(course, LAB)}
    assert not (course / "gradebook.db").exists()
    assert reports["perfect"].points == reports["perfect"].possible
    assert reports["crash"].points < reports["crash"].possible
    assert scores(course, LAB) == {
        name: {result.exercise: result.points for result in report.results}
        for name, report in reports.items()
    }


def test_nbgrader_finds_them_and_a_manual_grade_survives_grading_again(course, db_url):
    with Gradebook(db_url, "beyond-classification") as gradebook:
        graded = gradebook.find_grade("test_smooth_l1", "boxes", LAB, "crash")
        graded.manual_score = 3.0
        gradebook.db.commit()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", "autograde", LAB, "--student", "crash", "--force"]
    subprocess.run(command, cwd=course, env=environment, check=True, capture_output=True)
    assert scores(course, LAB)["crash"]["smooth_l1"] == 3.0
    list(grade(course, LAB, options=Options(force=True)))
    assert scores(course, LAB)["crash"]["smooth_l1"] == 3.0
