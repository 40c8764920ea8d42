"""How many requests of one client a process works on at once, so that no client can take every connection.

The others of that client wait here, where waiting costs no thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from recommender.errors import Busy

PATIENCE_S = 5.0


class Turns:
    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._clients: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def take(self, client_id: int) -> Callable[[], None]:
        """What gives the turn back."""
        semaphore = self._clients.setdefault(client_id, asyncio.Semaphore(self._at_once))
        if semaphore.locked():
            await _turn(semaphore)
        else:
            await semaphore.acquire()  # at once
        return semaphore.release

    @asynccontextmanager
    async def of(self, client_id: int) -> AsyncIterator[None]:
        give_back = await self.take(client_id)
        try:
            yield
        finally:
            give_back()


async def _turn(semaphore: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await semaphore.acquire()
    except TimeoutError:
        raise Busy("Too many requests of this client are waiting.") from None
