"""A Postgres that is started anew is waited for; one that says no is not."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from wvforge_dagster.orchestration import patience

pytest.importorskip("psycopg2")

STARTING = ("57P03", "the database system is starting up")
WRONG_PASSWORD = ("28P01", 'password authentication failed for user "u"')
NO_DATABASE = ("3D000", 'database "d" does not exist')


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    patience.be_patient_with_postgres()
    yield
    event.remove(Engine, "do_connect", patience._connect)
    patience.be_patient_with_postgres.cache_clear()


def error_of_connecting(*answers: tuple[str, str] | None) -> str:
    """How a connection fails that is answered with these errors in turn, or with nothing; each of them has to be had."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            for answer in answers:
                with server.accept()[0] as connection:
                    connection.recv(4096)
                    if answer:
                        fields = b"".join(
                            field + text.encode() + b"\0"
                            for field, text in zip((b"S", b"C", b"M"), ("FATAL", *answer), strict=True)
                        )
                        connection.sendall(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")
            server.close()

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"postgresql+psycopg2://u:p@127.0.0.1:{server.getsockname()[1]}/d?sslmode=disable&gssencmode=disable"
        with pytest.raises(OperationalError) as error:
            create_engine(address, poolclass=NullPool).connect()
        thread.join(20)
        assert not thread.is_alive(), "not all answers were asked for"
    return str(error.value)


@pytest.mark.parametrize("fault", [WRONG_PASSWORD, NO_DATABASE])
def test_a_connection_is_tried_again_until_postgres_says_what_does_not_pass(fault: tuple[str, str]) -> None:
    assert fault[1] in error_of_connecting(STARTING, None, fault)


def test_a_postgres_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", -1.0)
    assert STARTING[1] in error_of_connecting(STARTING)


def test_other_databases_are_none_of_its_business() -> None:
    with create_engine("sqlite://").connect() as connection:
        assert connection.closed is False
    with pytest.raises(OperationalError, match="unable to open"):
        create_engine("sqlite:////nowhere/at/all").connect()
