"""nbgrader's configuration of this course: solutions/ -> labs/ -> submitted/ -> autograded/ -> feedback/.

Every nbgrader command run in this folder reads it, and so do JupyterLab's Formgrader and `autograder grade`.
"""

import os
import sys
from pathlib import Path

from autograder.grading.gradebook import (
    AUTOGRADE,
    FEEDBACK,
    GENERATE_ASSIGNMENT,
    PAGE_FILTERS,
    SANITIZE,
    PageExporter,
    SubmissionExporter,
    take_other_names,
)

c = get_config()  # noqa: F821 (given by traitlets)

root = Path(__file__).resolve().parent
c.CourseDirectory.root = str(root)
c.CourseDirectory.course_id = "beyond-classification"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
# nbgrader copies every file of solutions/NN/ into labs/NN/: the masters must stay behind.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.py"]

c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("write me")'}
c.GenerateAssignment.preprocessors = GENERATE_ASSIGNMENT

c.Autograde.exporter_class = SubmissionExporter  # reads damaged files, too
c.Autograde.pre_convert_hook = take_other_names  # and finds renamed ones
c.Autograde.sanitize_preprocessors = SANITIZE  # repair, then nbgrader's own
c.Autograde.autograde_preprocessors = AUTOGRADE  # our Execute in the place of nbgrader's
c.GenerateFeedback.preprocessors = FEEDBACK
c.GenerateFeedback.exporter_class = PageExporter
c.Exporter.optimistic_validation = True  # once a notebook, not after each step

# Feedback and the Formgrader's pages show learners' markdown: nothing in it may act in the reader's browser.
c.HTMLExporter.filters = PAGE_FILTERS
c.HTMLExporter.sanitize_html = True

# Seconds: for one cell, for the checks of one exercise, for a whole notebook.
c.ExecuteSubmission.cell_seconds = 30
c.ExecuteSubmission.exercise_seconds = 90
c.ExecuteSubmission.submission_seconds = 300
# A first, cold `import torch` can take more than nbgrader's 30.
c.Execute.timeout = 300  # nbgrader validate
c.Execute.startup_timeout = 120

# The Formgrader complains about an exchange folder it cannot write to; this one it can.
exchange = root / "exchange"
exchange.mkdir(exist_ok=True)
c.Exchange.root = str(exchange)

# A new gradebook makes nbgrader call `alembic` by name.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
