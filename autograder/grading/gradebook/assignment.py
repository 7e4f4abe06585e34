"""nbgrader's generate_assignment, called without its command line."""

from __future__ import annotations

from pathlib import Path

from nbgrader.converters import GenerateAssignment, NbGraderException
from sqlalchemy.exc import SQLAlchemyError

from .course import open_course
from .quiet import quiet


class ReleaseError(RuntimeError):
    """A lab could not be released."""


def generate_assignment(root: Path, lab: str, db_url: str | None = None) -> None:
    """Make labs/LAB from solutions/LAB in the course ``root``; the cells are recorded only if ``db_url`` is given.

    Raises:
        ReleaseError: with nbgrader's messages, or what is wrong with the gradebook.
    """
    course = open_course(root, lab, db_url=db_url)
    course.config.GenerateAssignment.no_database = db_url is None
    course.config.SaveCells.enabled = db_url is not None
    converter = GenerateAssignment(coursedir=course.coursedir, config=course.config)
    converter.force = True
    with quiet() as said:
        try:
            converter.start()
        except NbGraderException as error:
            raise ReleaseError(
                f"nbgrader could not release {lab}:\n" + ("\n".join(said) or str(error))
            ) from error
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            raise ReleaseError(
                f"the gradebook cannot be written ({reason}); {lab} is not released"
            ) from error
