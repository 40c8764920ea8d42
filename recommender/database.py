"""Connections: an engine for a role, the scope of one client, and a sentence for a database that is away."""

import select
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, set_wait_callback
from sqlalchemy import Connection, Engine, QueuePool, TextClause, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from recommender.errors import Away, Busy, Failed, MarqueeError, NotFound, Refused


def open_engine(
    url: str,
    *,
    pool_size: int = 5,
    connect_timeout_s: int = 3,
    statement_timeout_s: float = 0,
    lock_timeout_s: float = 0,
    pool: type[QueuePool] = QueuePool,
) -> Engine:
    """A timeout of 0 is no limit: the verbs of the pipeline take the time that they need."""
    return create_engine(
        url,
        poolclass=pool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        connect_args={
            "connect_timeout": connect_timeout_s,
            **_manners(statement_timeout_s, lock_timeout_s),
        },
        hide_parameters=True,  # they are histories and names, and errors are logged
    )


def driver_arguments(engine: Engine, statement_timeout_s: float, lock_timeout_s: float) -> dict[str, Any]:
    """For a connection of the driver's own to the same database."""
    _, named = engine.dialect.create_connect_args(engine.url)
    return {**named, **_manners(statement_timeout_s, lock_timeout_s)}


def _manners(statement_timeout_s: float, lock_timeout_s: float) -> dict[str, str]:
    limits = {"statement_timeout": statement_timeout_s, "lock_timeout": lock_timeout_s}
    options = " ".join(f"-c {name}={int(s * 1000)}" for name, s in limits.items())
    return {"application_name": "marquee", "options": options}


def wait_for_server(engine: Engine, seconds: float, say: Callable[[str], None]) -> None:
    """Until it lets us in, says no, or the time is over: what comes next then says why it fails."""
    began = told = time.monotonic()
    while (trouble := _silence(engine)) and time.monotonic() - began < seconds:
        if told == began or time.monotonic() - told >= _TOLD_EVERY_S:
            told = time.monotonic()
            say(f"Waiting for the database: {trouble}")
        time.sleep(_PAUSE_S)


_TOLD_EVERY_S, _PAUSE_S = 5.0, 0.5
_SOON = ("starting up", "shutting down", "recovery", "too many clients", "remaining connection slots")


def _silence(engine: Engine) -> str | None:
    """Why nobody answers; a server that refuses us has answered."""
    try:
        engine.connect().close()
    except OperationalError as error:
        said = str(error)
        if "FATAL:" not in said or any(state in said for state in _SOON):
            return _first_line(error.orig)
    return None


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction; a database that is not there is `Away`, whatever the driver calls it."""
    with _opened(engine, _AWAKE) as (connection, _):
        yield connection


@contextmanager
def client_scope(engine: Engine, client_id: int) -> Iterator[Connection]:
    """A transaction that sees one client's rows and no others; a disabled client gets none."""
    with _opened(engine, _ENTER, {"client_id": client_id}) as (connection, status):
        if status != "active":
            raise Refused("This client is disabled or gone.")
        yield connection


_AWAKE = text("SELECT 1")
_ENTER = text("SELECT enter_client(:client_id)")


@contextmanager
def _opened(
    engine: Engine, first: TextClause, values: Mapping[str, Any] | None = None
) -> Iterator[tuple[Connection, Any]]:
    """A transaction and what its first statement said."""
    try:
        with engine.connect() as connection:
            yield connection, _first(connection, first, values)
            connection.commit()
    except PoolTimeout as error:
        raise Busy("Every connection to the database is in use.") from error
    except DBAPIError as error:
        if (ours := _translated(error)) is None:
            raise
        raise ours from error


def _translated(error: DBAPIError) -> MarqueeError | None:
    ours = translated(error.orig) if isinstance(error.orig, psycopg2.Error) else None
    return away(error.orig) if ours is None and error.connection_invalidated else ours


def translated(error: psycopg2.Error) -> MarqueeError | None:
    """psycopg2 calls both a lock that took too long and a server that is gone an OperationalError."""
    state = error.pgcode
    if state in _BUSY:
        return Busy(f"The database is busy: {_first_line(error)}")
    if state == _FOREIGN_KEY:
        return NotFound("It was deleted meanwhile.")
    if state and state.startswith(_TOO_MUCH):
        return Failed(f"The database cannot take this: {_first_line(error)}")
    if state == _READ_ONLY or isinstance(error, psycopg2.OperationalError):
        return away(error)
    return None


def away(error: BaseException | None) -> Away:
    return Away(f"The database does not answer: {_first_line(error)}")


_BUSY = {"55P03", "40P01", "40001", "57014"}  # lock or statement timeout, deadlock, serialization
_FOREIGN_KEY, _READ_ONLY = "23503", "25006"
_TOO_MUCH = "54"  # a limit of the program, which no retry moves


def _first(connection: Connection, statement: TextClause, values: Mapping[str, Any] | None) -> Any:
    """A connection that died in the pool, as when Postgres restarts, is found out here and replaced once."""
    try:
        return connection.execute(statement, values).scalar_one()
    except DBAPIError as error:
        if not error.connection_invalidated or isinstance(error.orig, Silent):
            raise
    connection.rollback()
    return connection.execute(statement, values).scalar_one()


class Silent(psycopg2.OperationalError):
    """The server is connected and says nothing."""


@contextmanager
def answer_within(seconds: float) -> Iterator[None]:
    """Meanwhile no connection of this process waits longer for a sign of the server. Rules COPY out."""

    def wait(connection: Any) -> None:
        while (state := connection.poll()) != POLL_OK:
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
            if not poller.poll(seconds * 1000):
                raise Silent(f"no sign of it for {seconds:g} seconds")

    set_wait_callback(wait)
    try:
        yield
    finally:
        set_wait_callback(None)


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().split("\n")[0]
