"""Grading: from a submission to results, and from results to nbgrader's gradebook."""
