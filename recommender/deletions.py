"""Which of a client's users were deleted and may not be brought back by a file."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from recommender.tables import tombstones
from recommender.tombstones import external_digest


class Deletions:
    """One client's, asked about each user once."""

    def __init__(self, connection: Connection, client_id: int, tombstone_key: str) -> None:
        self._connection, self._client_id, self._key = connection, client_id, tombstone_key
        self._asked: set[str] = set()
        self._deleted: set[str] = set()
        self._first_count = self._count()

    def deleted(self, external_ids: Iterable[str]) -> set[str]:
        names = set(external_ids)
        if self._first_count:
            self._ask(names - self._asked)
        return self._deleted & names

    def _ask(self, names: set[str]) -> None:
        digests = {external_digest(self._key, self._client_id, name): name for name in names}
        found = select(tombstones.c.digest).where(
            tombstones.c.client_id == self._client_id, tombstones.c.digest.in_(list(digests))
        )
        self._deleted.update(digests[bytes(digest)] for digest in self._connection.scalars(found))
        self._asked |= names

    def are_the_same(self) -> bool:
        """No user has been deleted since the first question."""
        return self._count() == self._first_count

    def _count(self) -> int:
        own = tombstones.c.client_id == self._client_id
        return self._connection.scalars(select(func.count()).where(own)).one()
