"""How many requests of one client a process works on at once, so that no client can take every connection.

The others of that client wait here, where waiting costs no thread.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from recommender.errors import Busy

PATIENCE_S = 5.0


class Turns:
    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._clients: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, client_id: int) -> AsyncIterator[None]:
        semaphore = self._clients.setdefault(client_id, asyncio.Semaphore(self._at_once))
        try:
            await asyncio.wait_for(semaphore.acquire(), PATIENCE_S)
        except TimeoutError:
            raise Busy("Too many requests of this client are waiting.") from None
        try:
            yield
        finally:
            semaphore.release()
