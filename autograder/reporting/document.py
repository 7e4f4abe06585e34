"""All results of a grading run as one document for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autograder.grading.submission import Report


def as_document(
    reports: Mapping[str, Sequence[Report]], totals: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Plain values, for JSON: every lab, every submission, every exercise.

    ``totals`` are the gradebook's by lab and student.
    """
    return {
        "labs": [
            {"lab": lab, "submissions": [_submission(report, totals[lab]) for report in found]}
            for lab, found in reports.items()
        ]
    }


def _submission(report: Report, totals: Mapping[str, float]) -> dict[str, Any]:
    """``graded`` is False when the machine failed; an unreadable submission is graded, and has a ``problem``.

    ``points`` are those of the checks; ``total`` is what counts, manual grades and late penalties included.
    """
    return {
        "student": report.student,
        "graded": bool(report.results),
        "points": round(report.points, 4),
        "total": totals.get(report.student),
        "possible": report.possible,
        "problem": report.problem,
        "repairs": list(report.repairs),
        "seconds": round(report.seconds, 3),
        "results": [result.as_dict() for result in report.results],
    }
