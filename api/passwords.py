"""Which passwords are too weak, and checks of passwords that take turns, because each takes 64 MiB."""

import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, Semaphore, fail_after, to_thread
from fastapi import HTTPException

from recommender.accounts import hash_password, password_matches

T = TypeVar("T")
SHORTEST, LONGEST, DISTINCT = 12, 128, 5
AT_ONCE, PATIENCE_S = 2, 5


def weakness(password: str, username: str) -> str | None:
    """What is wrong with a password that is long enough."""
    folded = password.casefold()
    if username and username in folded:
        return "contains the username"
    if len(set(folded)) < DISTINCT:
        return f"has fewer than {DISTINCT} different characters"
    if _period(folded) <= len(folded) // 2:
        return "repeats one short piece"
    return "is one of the commonest passwords" if folded in _common() else None


def _period(text: str) -> int:
    """The length of the piece that, repeated and cut, makes the text."""
    return next(n for n in range(1, len(text) + 1) if text.startswith(text[n:]))


@cache
def _common() -> frozenset[str]:
    path = Path(__file__).with_name("common_passwords.txt")
    return frozenset(path.read_text(encoding="utf-8").split())


class Passwords:
    """Two checks at a time; who waits too long is sent away. Opened inside the event loop."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._turns, self._threads = Semaphore(AT_ONCE), CapacityLimiter(AT_ONCE)
        self._nobody = hash_password(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        return await self._in_turn(lambda: hash_password(password))

    async def matches(self, password: str, known: str | None) -> bool:
        """A name that does not exist costs the same check."""
        right = await self._in_turn(lambda: password_matches(password, known or self._nobody))
        return right and known is not None

    async def _in_turn(self, work: Callable[[], T]) -> T:
        try:
            with fail_after(self._patience_s):
                await self._turns.acquire()
        except TimeoutError:
            raise HTTPException(503, "Too many sign-ins at once. Try again in a moment.") from None
        try:
            return await to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._turns.release()
