"""How nbgrader's gradebook is opened while several programs use it: an SQLite file is made for that."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import lru_cache
from typing import Any

import nbgrader.api
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine

WAIT_SECONDS = 30  # for another program's turn; the Formgrader and a grading run may write at the same time

# nbgrader opens the gradebook anew for each step and each learner; an engine that is kept knows its SQL already
nbgrader.api.create_engine = lru_cache(maxsize=16)(create_engine)


@event.listens_for(Engine, "connect")
def _prepare(connection: Any, record: Any) -> None:
    """Readers and one writer at the same time (WAL), and patience; other databases are left alone."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
        with contextlib.suppress(sqlite3.OperationalError):  # a file or folder that is read-only
            connection.execute("PRAGMA journal_mode = WAL")
