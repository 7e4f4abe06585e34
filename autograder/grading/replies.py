"""What came back from a process, as nbformat and the records have it. None of it is believed blindly."""

from __future__ import annotations

from typing import Any

import nbformat

from autograder.checking import Outcome
from autograder.exercises import load
from autograder.isolation.channel import Late
from autograder.isolation.protocol import ProtocolError
from autograder.isolation.text import plain

from .result import OUTCOME

PRINTED, ERROR = 20_000, 2_000  # characters of a cell's output and of its error that are kept


def blame(error: ProtocolError, what: str, seconds: float) -> tuple[str, str]:
    """Status and reason of something that did not finish."""
    if isinstance(error, Late):
        return "timed_out", f"{what} did not return within {seconds:g} s"
    return "crashed", f"{what} ended the process: {error}"


def outcome_of(answer: Any, name: str) -> dict[str, Any]:
    """The outcome in the checker's answer. The checker reads a learner's bytes, so it is not believed blindly."""
    try:
        outcome = Outcome.from_dict(answer["outcome"])
        if outcome.name == name and 0 <= outcome.points <= outcome.possible == load(name).points:
            str(outcome)  # a status that nobody knows cannot be shown
            return outcome.as_dict()
    except (KeyError, TypeError, ValueError):
        pass
    raise ProtocolError("the checker's answer is no outcome")


def outputs(ran: dict[str, Any], most: int) -> tuple[list[Any], int]:
    """A cell's outputs as nbformat has them, and how many characters it printed; of those ``most`` are kept.

    Text only, so that no script of a learner's reaches a browser.
    """
    outputs = []
    if printed := plain(ran.get("printed"), most):
        outputs.append(nbformat.v4.new_output("stream", name="stdout", text=printed))
    if type(error := ran.get("error")) is dict:
        name, message = plain(error.get("type"), 200), plain(error.get("message"), ERROR)
        trace = [line for line in (plain(error.get("where"), ERROR), f"{name}: {message}") if line]
        outputs.append(nbformat.v4.new_output("error", ename=name, evalue=message, traceback=trace))
    return outputs, len(printed)


def shown(outcome: dict[str, Any]) -> Any:
    """The outcome as the cell's result, rendered by our own code from its values."""
    shown = Outcome.from_dict(outcome)
    data = {"text/plain": f"{shown.points:g}", "text/html": shown._repr_html_(), OUTCOME: outcome}
    return nbformat.v4.new_output("execute_result", nbformat.from_dict(data), execution_count=None)
