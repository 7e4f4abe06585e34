"""Dask waits by the time of day; in a process that imports this it waits by a clock that nobody can set.

Otherwise a message that is kept back for two milliseconds waits for a day when the clock is set back just then, and the
run with it. The two clocks agree at the import, so that what is waiting already goes on.
"""

from __future__ import annotations

import time

from distributed import batched
from distributed.comm import core
from tornado.ioloop import IOLoop

_AHEAD = time.time() - time.monotonic()


def now() -> float:
    """Seconds, as `time.time` gave them when this was imported, whatever the clock says since."""
    return time.monotonic() + _AHEAD


def _of_loop(self: IOLoop) -> float:
    return now()


IOLoop.time = _of_loop  # type: ignore[method-assign]
for module in (batched, core):
    module.time = now  # type: ignore[attr-defined]
