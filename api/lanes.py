"""Connections to Postgres for the event loop: a request asks in one round trip, and no thread waits for it.

Each statement is sent as text, so that several go out together and are one transaction of their own. A lane
that fails amid a question is closed and opened anew: what came of the question is not known.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg2
from anyio import to_thread
from psycopg2.extensions import POLL_OK, POLL_READ, TRANSACTION_STATUS_IDLE
from psycopg2.extras import NamedTupleCursor

from api.pool import PoolMetrics
from recommender.database import away, translated
from recommender.errors import Away, Busy
from recommender.visits import PREPARED, Visit

PATIENCE_S = 5.0  # for a lane, as long as for a connection of the pool
Row = Any  # a named tuple
T = TypeVar("T")


class Lane:
    """One connection. Who holds it asks one question at a time."""

    def __init__(self, arguments: Mapping[str, Any], timeout_s: float) -> None:
        self._arguments, self._timeout_s = arguments, timeout_s
        self._connection: Any = None
        self._idle = select.poll()

    async def wake(self) -> None:
        """Before a transaction and never amid one: what was said to another connection is lost with it."""
        if self._connection is None or self._is_gone():
            await self._patiently(self._open())

    async def ask(self, visit: Visit) -> list[Row]:
        """The rows of the last of the statements."""
        return await self._patiently(self._answer(visit.text, visit.values))

    async def commit(self, visit: Visit) -> list[Row]:
        """As `ask`: who holds a lane alone ends the transaction that it began."""
        return await self.ask(visit)

    async def _patiently(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work
        except TimeoutError:
            self.close()
            raise Away(f"no sign of the database for {self._timeout_s:g} seconds") from None
        except psycopg2.Error as error:
            lost = self._connection is None or self._connection.closed
            self.close()
            if (ours := away(error) if lost else translated(error)) is None:
                raise
            raise ours from error
        except BaseException:
            self.close()
            raise

    def _is_gone(self) -> bool:
        """A server that ended the connection has said so: an idle one has nothing to read otherwise."""
        if self._connection.closed or self._idle.poll(0):
            self.close()
        return self._connection is None

    async def _open(self) -> None:
        """By a thread as far as the server's name is looked up, which nothing else could interrupt."""
        connect = partial(psycopg2.connect, **self._arguments, async_=1, cursor_factory=NamedTupleCursor)
        self._connection = await to_thread.run_sync(connect, abandon_on_cancel=True)
        await self._settled()
        await self._answer(PREPARED, ())
        self._idle = select.poll()
        self._idle.register(self._connection.fileno(), select.POLLIN)

    async def _answer(self, statements: str, values: Sequence[Any]) -> list[Row]:
        if self._connection is None:
            raise Away("the connection was lost amid a transaction")
        with self._connection.cursor() as cursor:
            cursor.execute(statements, values or None)
            await self._settled()
            return cursor.fetchall() if cursor.description else []

    async def _settled(self) -> None:
        connection, loop = self._connection, asyncio.get_running_loop()
        while (state := connection.poll()) != POLL_OK:
            ready, place = loop.create_future(), connection.fileno()
            reading = state == POLL_READ
            (loop.add_reader if reading else loop.add_writer)(place, _set, ready)
            try:
                await ready
            finally:
                (loop.remove_reader if reading else loop.remove_writer)(place)

    @property
    def clean(self) -> bool:
        """Whether no transaction is open."""
        connection = self._connection
        return connection is None or connection.get_transaction_status() == TRANSACTION_STATUS_IDLE

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


class Lanes:
    def __init__(
        self, arguments: Mapping[str, Any], size: int, timeout_s: float, metrics: PoolMetrics
    ) -> None:
        self._free = [Lane(arguments, timeout_s) for _ in range(size)]
        self._turns = asyncio.Semaphore(size)
        self._metrics = metrics
        metrics.also(size, lambda: size - len(self._free))

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[Lane]:
        await self._turn()
        lane = self._free.pop()
        try:
            with self._metrics.waiting():
                await lane.wake()
            yield lane
        finally:
            if not lane.clean:
                lane.close()
            self._free.append(lane)
            self._turns.release()

    async def ask(self, visit: Visit) -> list[Row]:
        """A transaction of its own, in one round trip."""
        async with self.lane() as lane:
            return await lane.ask(visit)

    async def commit(self, visit: Visit) -> list[Row]:
        """In two round trips, for what must not be done twice.

        A server that was silent for too long does nothing when it goes on, and who asked may ask again.
        """
        async with self.lane() as lane:
            rows = await lane.ask(Visit("BEGIN").then(visit))
            await lane.ask(Visit("COMMIT"))
            return rows

    async def _turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return
        with self._metrics.waiting():
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._turns.acquire()
            except TimeoutError:
                raise Busy("Every connection to the database is in use.") from None

    def close(self) -> None:
        for lane in self._free:
            lane.close()
