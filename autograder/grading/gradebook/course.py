"""A course folder as nbgrader sees it: what its nbgrader_config.py says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config, PyFileConfigLoader


@dataclass(frozen=True)
class Course:
    """A course folder and its configuration."""

    root: Path
    config: Config
    coursedir: CourseDirectory

    def path(self, step: str, student: str, lab: str) -> Path:
        """The folder of a lab in a step ("submitted", "autograded", "feedback", "release", "source")."""
        directory = getattr(self.coursedir, f"{step}_directory")
        return Path(self.coursedir.format_path(directory, student, lab))


def open_course(root: Path, lab: str = "", student: str = "*", db_url: str | None = None) -> Course:
    """The course in ``root``, narrowed to a lab and a student.

    Raises:
        ValueError: when the folder has no nbgrader_config.py, or that fails.
    """
    root = root.resolve()
    if not (root / "nbgrader_config.py").is_file():
        raise ValueError(
            f"{root} is not a course: it has no nbgrader_config.py; go to the folder that has it"
        )
    try:
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except Exception as error:  # it is a program, an instructor's
        raise ValueError(f"{root}/nbgrader_config.py fails: {type(error).__name__}: {error}") from error
    if db_url:
        config.CourseDirectory.db_url = db_url
    coursedir = CourseDirectory(config=config)
    coursedir.assignment_id, coursedir.student_id = lab, student
    return Course(root, config, coursedir)
