"""The connections of the event loop, against a real Postgres: whatever happens on one, the next who gets it
is alone there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg2
import pytest
import uvloop
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, text

from api import lanes as module
from api.lanes import Lanes
from api.pool import PoolMetrics
from recommender import accounts
from recommender.database import driver_arguments
from recommender.errors import Away, Busy, NotFound, Refused
from recommender.local.urls import PerRole
from recommender.visits import Visit, admitted, entering, making, reading, telling, user_of
from tests.api.conftest import eventually, run

STATEMENT_S, PATIENCE_S, LOCK_S = 1.0, 0.4, 0.2
SLOW = Visit("SELECT pg_sleep(60)")
NASTY = "O'Hara \\' %s $$ \"; DROP TABLE users; -- \\"
Act = Callable[[Lanes], Awaitable[None]]
With = Callable[..., None]


@pytest.fixture
def clients(engines: PerRole[Engine]) -> list[int]:
    with engines.owner.begin() as connection:
        return [
            accounts.register(connection, n, n, f"{n}@example.com", "of no password")
            for n in ("one", "other")
        ]


@pytest.fixture
def on(engines: PerRole[Engine]) -> With:
    """`on(act, size)`: what happens on so many lanes of the role of the API."""

    def on(act: Act, size: int = 1, **changed: str) -> None:
        async def acted() -> None:
            arguments = {**driver_arguments(engines.api, STATEMENT_S, LOCK_S)}
            for name, value in changed.items():
                arguments["options"] += f" -c {name}={value}"
            lanes = Lanes(arguments, size, PATIENCE_S, PoolMetrics(CollectorRegistry()))
            try:
                await act(lanes)
            finally:
                lanes.close()

        uvloop.run(acted())

    return on


OF_THE_API = "FROM pg_stat_activity WHERE usename = 'marquee_api' AND datname = current_database()"


def connected(engines: PerRole[Engine]) -> int:
    with engines.admin.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) {OF_THE_API}")).scalar_one())


def ended(engines: PerRole[Engine]) -> None:
    """The server's side of every connection, and waits until it is."""
    run(engines.admin, f"SELECT pg_terminate_backend(pid, 10000) {OF_THE_API}")


def users(engines: PerRole[Engine]) -> int:
    with engines.admin.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM users")).scalar_one())


async def named(lanes: Lanes, client: int, name: str) -> int:
    told = telling(client, name, {"Drama": 5.0}, [])
    rows = await lanes.ask(entering(client).then(told).then(reading(client, name)))
    return user_of(rows, name).user_id


async def seen(lanes: Lanes, client: int, name: str | int) -> int:
    return user_of(await lanes.ask(entering(client).then(reading(client, name))), name).user_id


def fresh(client: int) -> Visit:
    return entering(client).then(making(client, {"Drama": 5.0}, None, None, []))


def test_clients_who_take_turns_on_one_connection_see_their_own_and_nothing_else(
    clients: list[int], on: With
) -> None:
    one, other = clients

    async def act(lanes: Lanes) -> None:
        mine, theirs = await named(lanes, one, "viewer"), await named(lanes, other, "viewer")
        assert mine != theirs
        for _ in range(8):  # prepared statements have a plan of their own after five
            assert await seen(lanes, one, "viewer") == await seen(lanes, one, mine) == mine
            assert await seen(lanes, other, "viewer") == theirs
            with pytest.raises(NotFound):
                await seen(lanes, other, mine)
            assert [row.n for row in await lanes.ask(Visit("SELECT count(*) AS n FROM users"))] == [0]
        foreign = Visit("EXECUTE visit_by_id(%s, %s)", (one, mine))  # names another client than it entered as
        assert [row.user_id for row in await lanes.ask(entering(other).then(foreign))] == [None]

    on(act)


@pytest.mark.parametrize("failing", ["SELECT 1 / 0", "SELECT 1; SELECT nothing", "EXECUTE nothing"])
def test_no_scope_outlives_a_transaction_that_failed(clients: list[int], on: With, failing: str) -> None:
    one, other = clients

    async def act(lanes: Lanes) -> None:
        user = await named(lanes, one, "viewer")
        for beginning in ("", "BEGIN; "):
            with pytest.raises((psycopg2.Error, Away)):
                await lanes.ask(Visit(beginning + entering(one).text, (one,)).then(Visit(failing)))
            assert [row.n for row in await lanes.ask(Visit("SELECT count(*) AS n FROM users"))] == [0]
            with pytest.raises(NotFound):
                await seen(lanes, other, user)
        async with lanes.lane() as lane:  # left amid a transaction
            await lane.ask(Visit("BEGIN").then(entering(one)))
        assert [row.n for row in await lanes.ask(Visit("SELECT count(*) AS n FROM users"))] == [0]

    on(act)


def test_a_client_that_is_disabled_or_unknown_writes_and_reads_nothing(
    clients: list[int], on: With, engines: PerRole[Engine]
) -> None:
    one, gone = clients[0], 10**9

    async def act(lanes: Lanes) -> None:
        await named(lanes, one, "viewer")
        run(engines.owner, "UPDATE clients SET status = 'disabled' WHERE client_id = :id", id=one)
        for client in (one, gone):
            for name in ("viewer", "another"):
                with pytest.raises(Refused):
                    await named(lanes, client, name)
            with pytest.raises(Refused):
                admitted(await lanes.commit(fresh(client)))

    on(act)
    assert users(engines) == 1


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_a_name_is_what_was_sent_however_the_server_reads_backslashes(
    clients: list[int], on: With, conforming: str
) -> None:
    async def act(lanes: Lanes) -> None:
        user = await named(lanes, clients[0], NASTY)
        assert await seen(lanes, clients[0], NASTY) == user
        told = await lanes.ask(entering(clients[0]).then(reading(clients[0], user)))
        assert told[0].external_id == NASTY

    on(act, standard_conforming_strings=conforming, backslash_quote="on")


def test_what_was_not_committed_on_its_own_connection_is_not_acknowledged(
    clients: list[int], on: With, engines: PerRole[Engine]
) -> None:
    """The server ends the connection between the two trips: a COMMIT on another one would succeed."""

    async def act(lanes: Lanes) -> None:
        async with lanes.lane() as lane:
            assert (await lane.ask(Visit("BEGIN").then(fresh(clients[0]))))[0].user_id
            ended(engines)
            with pytest.raises(Away):
                await lane.ask(Visit("COMMIT"))
            with pytest.raises(Away):
                await lane.ask(Visit("COMMIT"))
        assert (await lanes.commit(fresh(clients[0])))[0].user_id

    on(act)
    assert users(engines) == 1


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_asked(
    clients: list[int], on: With, engines: PerRole[Engine]
) -> None:
    async def act(lanes: Lanes) -> None:
        user = await named(lanes, clients[0], "viewer")
        ended(engines)
        assert await seen(lanes, clients[0], user) == user

    on(act)


def test_who_goes_or_waits_too_long_amid_a_question_leaves_nothing_to_the_next(
    clients: list[int], on: With, engines: PerRole[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(lanes: Lanes) -> None:
        user = await named(lanes, clients[0], "viewer")
        for _ in range(3):
            going = asyncio.create_task(lanes.ask(SLOW))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
            assert await seen(lanes, clients[0], user) == user
        with pytest.raises(Away):
            await lanes.ask(SLOW)
        assert await seen(lanes, clients[0], user) == user
        monkeypatch.setattr(module, "PATIENCE_S", 0.05)
        asking = [asyncio.create_task(lanes.ask(SLOW)) for _ in range(3)]
        assert {type(e) for e in await asyncio.gather(*asking, return_exceptions=True)} == {Away, Busy}
        assert await seen(lanes, clients[0], user) == user
        eventually(lambda: connected(engines) <= 1)

    on(act)


def test_a_connection_that_could_not_be_prepared_is_opened_anew(
    clients: list[int], on: With, engines: PerRole[Engine]
) -> None:
    async def act(lanes: Lanes) -> None:
        with engines.owner.begin() as connection:
            connection.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(Busy):
                await named(lanes, clients[0], "viewer")
        await named(lanes, clients[0], "viewer")
        await lanes.ask(Visit("DISCARD ALL"))
        with pytest.raises(Away, match="does not exist"):
            await seen(lanes, clients[0], "viewer")
        assert await seen(lanes, clients[0], "viewer")

    on(act)


def test_each_question_gets_its_own_answer(clients: list[int], on: With) -> None:
    async def act(lanes: Lanes) -> None:
        async def asked(number: int) -> None:
            client = clients[number % 2]
            assert await seen(lanes, client, await named(lanes, client, f"viewer {number}"))
            rows: Any = await lanes.ask(Visit("SELECT %s AS n, pg_sleep(%s)", (number, number % 3 / 1000)))
            assert rows[0].n == number

        await asyncio.gather(*(asked(number) for number in range(40)))

    on(act, 3)
