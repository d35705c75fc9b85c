"""Waiting for a Postgres that is started anew."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

PATIENCE_SECONDS = 120.0
"""For which a connection to Postgres is tried again; dagster-postgres by itself gives up after some seconds."""


_FINAL = ("password", "does not exist")
"""In what a Postgres says that runs, and that says no: to a wrong password, to a database or user that it does not have."""


@cache
def be_patient_with_postgres() -> None:
    """Have every connection of this process to a Postgres that does not answer tried again for two minutes."""
    event.listen(Engine, "do_connect", _connect)


def _connect(dialect: Any, record: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    if dialect.name != "postgresql":
        return None
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.2
    while True:
        try:
            return dialect.connect(*arguments, **keywords)
        except dialect.loaded_dbapi.OperationalError as error:
            if time.monotonic() > deadline or any(words in str(error) for words in _FINAL):
                raise
            logging.getLogger("wvforge").warning(
                "Postgres does not answer, tried again: %s", str(error).partition("\n")[0]
            )
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
