"""Users that are deleted: how, and which of a client's may not be brought back by a file."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select, text

from recommender.errors import NotFound
from recommender.tables import tombstones
from recommender.tombstones import external_digest, user_digest

_TOMBSTONE = text("""
    INSERT INTO tombstones (client_id, digest) SELECT :client_id, unnest(CAST(:digests AS bytea[]))
    ON CONFLICT DO NOTHING
""")
# A retry of a request that made the user finds its key, and no user.
_FORGET_ANSWERS = text("""
    UPDATE idempotency_keys SET user_id = NULL, response = NULL
    WHERE client_id = :client_id AND user_id = ANY(:ids)
""")
_FORGET = text("""
    DELETE FROM users WHERE client_id = :client_id AND user_id = ANY(:ids) RETURNING user_id, external_id
""")
_FORGET_REJECTS = text("DELETE FROM rejects WHERE client_id = :client_id AND external_id = ANY(:names)")


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


def delete_user(connection: Connection, client_id: int, user_id: int, tombstone_key: str) -> None:
    if not delete_users(connection, client_id, [user_id], tombstone_key):
        raise NotFound(f"There is no user {user_id}.")


def delete_users(connection: Connection, client_id: int, ids: Sequence[int], tombstone_key: str) -> int:
    """Gone from every table, and how many; keyed hashes stay, so that no file brings anybody back."""
    asked = {"client_id": client_id, "ids": list(ids)}
    connection.execute(_FORGET_ANSWERS, asked)
    gone = connection.execute(_FORGET, asked).all()
    names = [user.external_id for user in gone if user.external_id is not None]
    if names:
        connection.execute(_FORGET_REJECTS, {"client_id": client_id, "names": names})
    digests = [
        *(user_digest(tombstone_key, client_id, user.user_id) for user in gone),
        *(external_digest(tombstone_key, client_id, name) for name in names),
    ]
    connection.execute(_TOMBSTONE, {"client_id": client_id, "digests": digests})
    return len(gone)
