"""What keeps a deleted user deleted outside the database: in files, and in a database that was restored.

Every tombstone is kept in DATA_URL/tombstones too, so that a backup older than a deletion learns of it, also
when the database is lost; a restore beside one that is still there takes its newer tombstones over.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from sqlalchemy import Connection, Engine, select, text

from recommender.daily.mended import read_list
from recommender.database import transaction
from recommender.deletions import delete_users
from recommender.errors import BadInput, Failed
from recommender.files import Store
from recommender.tables import clients, tombstones
from recommender.tombstones import external_digest, user_digest

FOLDER = "tombstones"
_COLUMNS = ("digest", "deleted_at")
_AT_ONCE = 10_000
Tombstones = dict[bytes, datetime]  # when the user was deleted, by digest


def write_tombstones(engine: Engine, data: Store) -> int:
    """How many were not in the files yet. What is there stays, also of a client that is gone."""
    with transaction(engine) as connection:
        known = connection.execute(select(clients.c.client_id, clients.c.username)).all()
    new = 0
    for client_id, username in known:
        with transaction(engine) as connection:
            stored = stored_tombstones(connection, client_id)
        path = _path(client_id, username)
        kept = _kept(data, path)
        if stored.keys() - kept.keys():
            new += len(stored.keys() - kept.keys())
            data.write(path, _written(stored | kept))
    return new


def _path(client_id: int, username: str) -> str:
    """With the name: a database that was restored may give the number to somebody else."""
    return f"{FOLDER}/{client_id}-{username}.csv"


def stored_tombstones(connection: Connection, client_id: int) -> Tombstones:
    found = select(tombstones.c.digest, tombstones.c.deleted_at).where(tombstones.c.client_id == client_id)
    return {bytes(row.digest): row.deleted_at for row in connection.execute(found)}


def _kept(data: Store, path: str) -> Tombstones:
    if not data.exists(path):
        return {}
    try:
        rows = read_list(data, path, _COLUMNS)
        return {bytes.fromhex(row["digest"]): datetime.fromisoformat(row["deleted_at"]) for row in rows}
    except ValueError as error:
        raise BadInput(f"{data.named(path)} is no list of tombstones: {error}.") from None


def _written(listed: Tombstones) -> bytes:
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((digest.hex(), at.astimezone(UTC).isoformat()) for digest, at in sorted(listed.items()))
    return stream.getvalue().encode()


@dataclass(frozen=True, slots=True)
class Honoured:
    tombstones: int  # put back
    users: int  # deleted once more
    rejects: int  # of users who are deleted
    strangers: tuple[str, ...]  # lists of clients that this database does not have


def honour_deletions(api_engine: Engine, data: Store, tombstone_key: str) -> Honoured:
    """After a restore, before it is served: whoever has a tombstone, here or in the files, is deleted again.

    As marquee_api, one transaction for each client: no other role may delete users.
    """
    with transaction(api_engine) as connection:
        known = connection.scalars(text("SELECT client_ids()")).all()
    done, strangers = list[Honoured](), set(data.names(FOLDER))
    for client_id in known:
        with transaction(api_engine) as connection:
            path = _path(client_id, _enter(connection, client_id))
            strangers.discard(path.removeprefix(f"{FOLDER}/"))
            again = _Again(connection, client_id, tombstone_key)
            back, rejects = again.tombstones(_kept(data, path)), again.rejects()
            done.append(Honoured(back, again.users(), rejects, ()))
    return Honoured(
        sum(one.tombstones for one in done),
        sum(one.users for one in done),
        sum(one.rejects for one in done),
        tuple(sorted(strangers)),
    )


def _enter(connection: Connection, client_id: int) -> str:
    """The client's name. A disabled client's users are deleted too."""
    connection.execute(text("SELECT enter_client(:id)"), {"id": client_id})
    return str(connection.scalar(select(clients.c.username).where(clients.c.client_id == client_id)))


@dataclass(frozen=True, slots=True)
class _Again:
    """One client's deletions, made again where they are not."""

    connection: Connection
    client_id: int
    tombstone_key: str

    def tombstones(self, kept: Tombstones) -> int:
        values = {"client_id": self.client_id, "digests": list(kept), "at": list(kept.values())}
        return self.connection.execute(_PUT_BACK, values).rowcount

    def users(self) -> int:
        """Whoever was made after the deletion is somebody else, or came back by their own will."""
        gone = stored_tombstones(self.connection, self.client_id)
        found = [
            user.user_id
            for user in (self._read_users() if gone else ())
            if any(user.created_at < gone[digest] for digest in self._digests(user) if digest in gone)
        ]
        for first in range(0, len(found), _AT_ONCE):
            some = found[first : first + _AT_ONCE]
            delete_users(self.connection, self.client_id, some, self.tombstone_key)
        return len(found)

    def _digests(self, user: Any) -> Iterator[bytes]:
        yield user_digest(self.tombstone_key, self.client_id, user.user_id)
        if user.external_id is not None:
            yield external_digest(self.tombstone_key, self.client_id, user.external_id)

    def _read_users(self) -> Iterator[Any]:
        values, last = {"client_id": self.client_id, "limit": _AT_ONCE}, 0
        while some := self.connection.execute(_NEXT_USERS, values | {"last": last}).all():
            yield from some
            last = some[-1].user_id

    def rejects(self) -> int:
        is_deleted = deletion_of(
            self.tombstone_key, self.client_id, stored_tombstones(self.connection, self.client_id)
        )
        own = {"client_id": self.client_id}
        names = [name for name in self.connection.scalars(_REJECTED_USERS, own) if is_deleted(name)]
        return self.connection.execute(_FORGET_REJECTS, own | {"names": names}).rowcount


def deletion_of(tombstone_key: str, client_id: int, gone: Iterable[bytes]) -> Callable[[str], bool]:
    """Whether the client's user of this name was deleted."""
    digests = frozenset(gone)
    return lambda name: external_digest(tombstone_key, client_id, name) in digests


_PUT_BACK = text("""
    INSERT INTO tombstones (client_id, digest, deleted_at)
    SELECT :client_id, digest, deleted_at
    FROM unnest(CAST(:digests AS bytea[]), CAST(:at AS timestamptz[])) AS kept (digest, deleted_at)
    ON CONFLICT DO NOTHING
""")
_NEXT_USERS = text("""
    SELECT user_id, external_id, created_at FROM users
    WHERE client_id = :client_id AND user_id > :last ORDER BY user_id LIMIT :limit
""")
_REJECTED_USERS = text("""
    SELECT DISTINCT external_id FROM rejects WHERE client_id = :client_id AND external_id IS NOT NULL
""")
_FORGET_REJECTS = text("DELETE FROM rejects WHERE client_id = :client_id AND external_id = ANY(:names)")


def check_deletions(engine: Engine, data: Store) -> None:
    """Refuses a database that was restored and has not heard of deletions that were made since."""
    with transaction(engine) as connection:
        known = connection.execute(select(clients.c.client_id, clients.c.username)).all()
        lacking = sum(
            len(
                _kept(data, _path(row.client_id, row.username)).keys()
                - stored_tombstones(connection, row.client_id).keys()
            )
            for row in known
        )
    if lacking:
        raise Failed(
            f"This database does not know of {lacking:,} deletions: it is older than they are."
            " Run honour-deletions first."
        )
