"""The only place that imports nbgrader: its formats, gradebook and feedback pages, with our steps in between."""

from . import database, dates  # noqa: F401 - gradebooks are opened, and dates read, their way from here on
from .assignment import generate_assignment
from .course import Course, open_course
from .exporter import SubmissionExporter
from .feedback import FEEDBACK
from .harmless import PAGE_FILTERS
from .pages import PageExporter
from .preprocessors import AUTOGRADE, GENERATE_ASSIGNMENT, SANITIZE, ExecuteSubmission, Repair
from .scores import entered, scores, totals
from .submissions import LabWriter, take_other_names

__all__ = [
    "AUTOGRADE",
    "FEEDBACK",
    "GENERATE_ASSIGNMENT",
    "PAGE_FILTERS",
    "SANITIZE",
    "Course",
    "ExecuteSubmission",
    "LabWriter",
    "PageExporter",
    "Repair",
    "SubmissionExporter",
    "entered",
    "generate_assignment",
    "open_course",
    "scores",
    "take_other_names",
    "totals",
]
