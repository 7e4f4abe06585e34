"""An attack as data: an answer that is wrong, and what it does to get points, secrets or company all the same."""

from __future__ import annotations

from dataclasses import dataclass

# Cells call `attempt` for what must be refused: it prints GOT when something was had, REFUSED when not.
ATTEMPT = """
def attempt(what, action):
    try:
        got = action()
    except BaseException as error:
        print("REFUSED", what, type(error).__name__, str(error)[:80])
    else:
        print("GOT" if got not in (None, False, [], "", b"") else "REFUSED", what, repr(got)[:200])
"""
WRONG = "def smooth_l1(*arguments):\n    return arguments[0] * 0 - 7\n"


@dataclass(frozen=True)
class Attack:
    """``cell`` is the answer's cell, ``before`` the one above it; where it defines none, a wrong `smooth_l1` follows.

    ``says`` must be in the feedback: it shows that the attack did what it is meant to. ``refused`` is how many calls of
    `attempt` there are, all of which must be refused. ``seconds`` is the limit of a cell, ``check_seconds`` that of the
    exercise's checks.
    """

    name: str
    cell: str
    before: str = ""
    says: str = ""
    refused: int = 0
    status: str = ""
    seconds: float = 20.0
    check_seconds: float = 60.0

    @property
    def answer(self) -> str:
        """The answer's cell."""
        defines = any(start in self.cell for start in ("def smooth_l1", "class smooth_l1", "smooth_l1 ="))
        return self.cell if defines else f"{self.cell}\n{WRONG}"
