"""What runs in the checker process: exercises' checks against functions in the student process.

It parses bytes that student code may have written, so it is confined as well: no network, nothing to write to.
"""

from __future__ import annotations

import os
import socket

from ..checking.answer import NoAnswer
from ..checking.check import check
from ..checking.examine import examine
from ..checking.outcome import Outcome
from ..exercises import load, names
from .channel import Channel
from .protocol import ProtocolError
from .remote import RemoteFunction, Withheld, answers_of


def serve(connection: socket.socket) -> None:
    """Take orders (name, hidden, seed; with each the student's socket), answer with the outcome, until hung up on.

    A checker serves one submission, whose exercises have nothing to hide from one another.
    """
    while True:
        connection.settimeout(None)
        order, descriptors, _, _ = socket.recv_fds(connection, 65536, 1)
        if not order:
            return
        with socket.socket(fileno=descriptors[0]) as student:
            name, hidden, seed = os.fsdecode(order).split("\n")
            try:
                outcome, alive = check_remotely(Channel(student), name, hidden == "True", int(seed))
                answer = {"outcome": outcome.as_dict(), "alive": alive}
            except Withheld as missing:
                answer = {"withheld": str(missing)}
        Channel(connection).send(answer)


def warm_up() -> None:
    """Import all exercises, and check their references once: what is used for the first time is slow."""
    for name in names():
        examine(load(name), load(name).oracle, hidden=True, seed=0, delegation=False)
    check(load("smooth_l1").oracle, "smooth_l1")


def check_remotely(channel: Channel, name: str, hidden: bool, seed: int) -> tuple[Outcome, bool]:
    """The outcome of an exercise, and whether the student process can go on.

    Raises:
        Withheld: the answer calls what was taken out of the student process for the sake of another exercise.
    """
    exercise = load(name)
    try:
        function = RemoteFunction(channel, name, answers_of(exercise))
    except (NoAnswer, ProtocolError) as error:
        return Outcome(name, "crashed", 0.0, exercise.points, str(error), seed=seed, hidden=hidden), False
    if function.kind != "function":
        return _without_function(name, function.kind, hidden, seed), True
    try:
        return check(function, name, hidden=hidden, seed=seed), function.alive
    except Exception as error:  # a value that no comparison was made for
        message = f"The answers of {name} could not be compared ({type(error).__name__})."
        return Outcome(name, "crashed", 0.0, exercise.points, message, seed=seed, hidden=hidden), False


def _without_function(name: str, kind: str, hidden: bool, seed: int) -> Outcome:
    possible = load(name).points
    if kind == "missing":
        message = (
            f"no function called {name} is defined: its cell raised an error, was deleted, or was renamed."
        )
        return Outcome(name, "not_attempted", 0.0, possible, message, seed=seed, hidden=hidden)
    message = f"{name} is a {'class' if kind == 'class' else 'value'}; it must be a function."
    return Outcome(name, "incorrect", 0.0, possible, message, seed=seed, hidden=hidden)
