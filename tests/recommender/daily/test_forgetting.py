"""A deleted user stays deleted: in files, in lists of refused rows, and in a database that was restored."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from recommender.daily.erasing import erase_rejects
from recommender.daily.forgetting import Honoured, check_deletions, honour_deletions, write_tombstones
from recommender.daily.loading import load
from recommender.daily.replaying import replay
from recommender.database import open_engine
from recommender.days import NOT_INJECTED
from recommender.deletions import delete_user
from recommender.errors import BadInput, Failed
from recommender.local.postgres import Server
from recommender.local.urls import PerRole, role_urls
from recommender.manifests import read_manifest, verify
from recommender.roles import make_roles
from tests.conftest import PASSWORDS
from tests.recommender.incoming import DAY, KEY, MOVIES, NOON, Days, ratings, silent

NOW = datetime(2026, 2, 1, 7, tzinfo=UTC)
ROWS = (f"7,1,4,{NOON}", f"zoë,3,1,{NOON}", f"zoë,1,9,{NOON}", "zoë,1", f"7,9,2,{NOON}")
LISTED = f"{NOT_INJECTED}/{DAY}"
MENDED = f"{LISTED}/acme/mended.csv"


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    days = Days.at(engines, tmp_path)
    days.take({"movies.csv": MOVIES, "acme/ratings.csv": ratings(*ROWS), "bolt/ratings.csv": ratings(*ROWS)})
    load(engines.pipeline, days.data, str(DAY), NOW, KEY, silent)
    return days


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def names(engine: Engine) -> list[tuple[Any, ...]]:
    query = "SELECT username, external_id FROM users JOIN clients USING (client_id)"
    return sorted(rows(engine, query))


def delete(engines: PerRole[Engine], name: str = "zoë", client: str = "acme") -> None:
    """As the API does it."""
    with engines.admin.connect() as connection:
        who = "SELECT client_id, user_id FROM users JOIN clients USING (client_id)"
        wanted = text(f"{who} WHERE username = :client AND external_id = :name")
        client_id, user_id = connection.execute(wanted, {"client": client, "name": name}).one()
    with engines.api.begin() as connection:
        connection.execute(text("SELECT enter_client(:client)"), {"client": client_id})
        delete_user(connection, client_id, user_id, KEY)


BOTH = [("acme", "7"), ("acme", "zoë"), ("bolt", "7"), ("bolt", "zoë")]
ONE_GONE = [("acme", "7"), ("bolt", "7"), ("bolt", "zoë")]


# a database that was restored


@pytest.fixture
def restored(days: Days, server: Server) -> Iterator[PerRole[Engine]]:
    """The database as it was before the deletion; the deletion was noted in the files."""
    name = str(days.engines.admin.url.database)
    elsewhere = create_engine(server.url(), isolation_level="AUTOCOMMIT")
    days.engines.map(Engine.dispose)
    with elsewhere.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}_backup TEMPLATE {name}"))
    admin = create_engine(server.url(f"{name}_backup"))
    make_roles(admin, PASSWORDS)
    admin.dispose()
    delete(days.engines)
    assert write_tombstones(days.engines.pipeline, days.data) == 2
    backup = role_urls(server.url(f"{name}_backup"), PASSWORDS).map(open_engine)
    yield backup
    backup.map(Engine.dispose)
    with elsewhere.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}_backup WITH (FORCE)"))
    elsewhere.dispose()


def test_a_restored_database_deletes_again_who_was_deleted(days: Days, restored: PerRole[Engine]) -> None:
    assert names(restored.admin) == BOTH
    found = honour_deletions(restored.api, days.data, KEY)
    assert found == Honoured(tombstones=2, users=1, rejects=2, strangers=())
    assert names(restored.admin) == names(days.engines.admin) == ONE_GONE
    told = "SELECT client_id, digest, deleted_at FROM tombstones ORDER BY 2"
    assert rows(restored.admin, told) == rows(days.engines.admin, told)
    assert rows(restored.admin, "SELECT * FROM rejects WHERE external_id = 'zoë' AND client_id = 1") == []
    assert honour_deletions(restored.api, days.data, KEY) == Honoured(0, 0, 0, ()), "twice is once"


def test_a_tombstone_that_stands_in_the_database_is_honoured_though_no_file_knows_of_it(
    days: Days, restored: PerRole[Engine]
) -> None:
    days.data.delete("tombstones")
    told = "SELECT client_id, digest, deleted_at FROM tombstones"
    with restored.admin.begin() as connection:
        for client, digest, at in rows(days.engines.admin, told):
            values = {"client": client, "digest": digest, "at": at}
            connection.execute(text("INSERT INTO tombstones VALUES (:client, :digest, :at)"), values)
    assert honour_deletions(restored.api, days.data, KEY) == Honoured(0, 1, 2, ())
    assert names(restored.admin) == ONE_GONE


def test_however_many_were_deleted_the_questions_are_the_same(days: Days, restored: PerRole[Engine]) -> None:
    asked = list[str]()
    event.listen(restored.api, "before_cursor_execute", lambda _c, _k, said, *_: asked.append(said))
    honour_deletions(restored.api, days.data, KEY)
    for_one = len(asked)
    delete(days.engines, "7")
    write_tombstones(days.engines.pipeline, days.data)
    with restored.admin.begin() as connection:
        connection.execute(text("DELETE FROM tombstones"))
        connection.execute(
            text(
                "INSERT INTO users (client_id, external_id, created_at)"
                " SELECT client_id, 'zoë', '2020-01-01' FROM clients WHERE username = 'acme'"
            )
        )
    asked.clear()
    assert honour_deletions(restored.api, days.data, KEY).users == 2
    assert len(asked) == for_one


def test_a_restored_database_is_not_loaded_into_before_it_has_heard_of_deletions(
    days: Days, restored: PerRole[Engine]
) -> None:
    check_deletions(days.engines.pipeline, days.data)
    with pytest.raises(Failed, match=r"does not know of 2 deletions: .* Run honour-deletions first"):
        check_deletions(restored.pipeline, days.data)
    honour_deletions(restored.api, days.data, KEY)
    check_deletions(restored.pipeline, days.data)
    load(restored.pipeline, days.data, str(DAY), NOW, KEY, silent)
    assert names(restored.admin) == ONE_GONE


def test_a_disabled_clients_users_are_deleted_too(days: Days, restored: PerRole[Engine]) -> None:
    with restored.admin.begin() as connection:
        connection.execute(text("UPDATE clients SET status = 'disabled'"))
    assert honour_deletions(restored.api, days.data, KEY).users == 1


def test_whoever_came_after_the_deletion_is_somebody_else(days: Days, restored: PerRole[Engine]) -> None:
    with restored.admin.begin() as connection:
        connection.execute(text("UPDATE users SET created_at = now() + interval '1 day'"))
    found = honour_deletions(restored.api, days.data, KEY)
    assert (found.tombstones, found.users) == (2, 0)
    assert names(restored.admin) == BOTH


def test_a_number_that_is_another_clients_now_deletes_nobody(days: Days, restored: PerRole[Engine]) -> None:
    with restored.admin.begin() as connection:
        connection.execute(text("UPDATE clients SET username = username || '-2'"))
    found = honour_deletions(restored.api, days.data, KEY)
    assert (found.users, len(found.strangers)) == (0, 1)
    assert names(restored.admin) == [(f"{client}-2", name) for client, name in BOTH]


def test_the_pipeline_may_not_honour_deletions(days: Days, restored: PerRole[Engine]) -> None:
    with pytest.raises(Exception, match="permission denied"):
        honour_deletions(restored.pipeline, days.data, KEY)
    assert names(restored.admin) == BOTH


# the list of tombstones


def test_tombstones_are_kept_in_files_that_only_grow(days: Days) -> None:
    assert write_tombstones(days.engines.pipeline, days.data) == 0
    delete(days.engines)
    assert write_tombstones(days.engines.pipeline, days.data) == 2
    (path,) = days.data.files("tombstones")
    first = days.data.read(f"tombstones/{path}")
    assert path.endswith("-acme.csv") and first.count(b"\n") == 3 and "zoë".encode() not in first
    assert write_tombstones(days.engines.pipeline, days.data) == 0
    days.run("DELETE FROM tombstones")
    delete(days.engines, "7")
    assert write_tombstones(days.engines.pipeline, days.data) == 2
    assert set(first.splitlines()) < set(days.data.read(f"tombstones/{path}").splitlines())


def test_a_damaged_list_of_tombstones_is_one_sentence(days: Days) -> None:
    delete(days.engines)
    write_tombstones(days.engines.pipeline, days.data)
    (path,) = days.data.files("tombstones")
    days.data.write(f"tombstones/{path}", b"digest,deleted_at\nxyz,yesterday\n")
    with pytest.raises(BadInput, match="is no list of tombstones"):
        honour_deletions(days.engines.api, days.data, KEY)


# lists of refused rows


def test_a_deleted_users_rejects_vanish_from_the_lists_and_from_the_table(days: Days) -> None:
    delete(days.engines)
    assert erase_rejects(days.engines.pipeline, days.data, KEY) == 2
    assert [row["userId"] for row in days.refused()] == ["7"]
    assert "zoë".encode() not in days.data.read(f"{LISTED}/acme/ratings.csv")
    assert len(days.refused("bolt/ratings.csv")) == 3, "another client's user of that name"
    query = "SELECT username FROM rejects JOIN clients USING (client_id) WHERE external_id = 'zoë'"
    assert rows(days.engines.admin, query) == [("bolt",), ("bolt",)]


def test_the_lists_are_sealed_again(days: Days) -> None:
    delete(days.engines)
    before = read_manifest(days.data, LISTED)
    erase_rejects(days.engines.pipeline, days.data, KEY)
    sealed = read_manifest(days.data, LISTED)
    assert sealed and before and sealed.about == before.about
    for entry in sealed.files:
        verify(days.data, LISTED, entry)
    assert {entry.path: entry.rows for entry in sealed.files} == {
        "acme/ratings.csv": 1,
        "bolt/ratings.csv": 3,
    }
    load(days.engines.pipeline, days.data, str(DAY), NOW, KEY, silent)


def test_mended_lists_are_erased_too_and_others_keep_what_a_person_wrote(days: Days) -> None:
    mended = 'rating,userId,note,movieId,timestamp\n4,zoë,me,1,1\n5, zoë ,me,1,1\n3,7,"so, so",1,1\n'
    days.data.write(MENDED, mended.encode())
    delete(days.engines)
    assert erase_rejects(days.engines.pipeline, days.data, KEY) == 4
    assert days.data.read(MENDED).decode() == 'rating,userId,note,movieId,timestamp\n3,7,"so, so",1,1\n'


def test_nothing_is_written_when_nobody_of_a_list_was_deleted(days: Days) -> None:
    before = days.contents()
    delete(days.engines, "7", "bolt")
    assert erase_rejects(days.engines.pipeline, days.data, KEY) == 1
    changed = {path for path, content in days.contents().items() if before[path] != content}
    assert changed == {f"{LISTED}/bolt/ratings.csv", f"{LISTED}/manifest.json"}
    assert erase_rejects(days.engines.pipeline, days.data, KEY) == 0


@pytest.mark.parametrize("written", [0, 1])
def test_an_erasure_that_was_cut_short_is_finished_by_the_next(
    days: Days, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    delete(days.engines)
    undisturbed = days.data.read(f"{LISTED}/acme/ratings.csv")
    with monkeypatch.context() as patch:
        patch.setattr("recommender.files.os.fsync", disk_with_place_for(written))
        with pytest.raises(Failed, match="No space left"):
            erase_rejects(days.engines.pipeline, days.data, KEY)
    assert days.data.read(f"{LISTED}/acme/ratings.csv") == undisturbed
    assert erase_rejects(days.engines.pipeline, days.data, KEY) == 2
    sealed = read_manifest(days.data, LISTED)
    assert sealed
    for entry in sealed.files:
        verify(days.data, LISTED, entry)


def disk_with_place_for(files: int) -> Callable[[int], None]:
    left = iter(range(files))

    def fsync(_: int) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    return fsync


def test_a_list_of_a_day_that_was_left_half_made_is_erased_too(days: Days) -> None:
    delete(days.engines)
    days.data.delete(f"{LISTED}/manifest.json")
    assert erase_rejects(days.engines.pipeline, days.data, KEY) == 2
    assert read_manifest(days.data, LISTED) is None, "it is whole when process has made it"
    assert [row["userId"] for row in days.refused()] == ["7"]


def test_a_replay_with_rows_of_a_deleted_user_goes_and_another_has_none(days: Days) -> None:
    days.data.write(MENDED, f"userId,movieId,rating,timestamp\nzoë,1,4,{NOON}\n7,2,4,{NOON}\n".encode())
    again = partial(replay, days.engines.pipeline, days.data, days.models, DAY)
    again(now=NOW, tombstone_key=KEY, progress=silent)
    delete(days.engines)
    erase_rejects(days.engines.pipeline, days.data, KEY)
    assert not any(".replay/" in path for path in days.data.files("raw"))
    assert not any(".replay/" in path for path in days.data.files("processed"))
    assert again(now=NOW, tombstone_key=KEY, progress=silent).load.counts.read == 3, "2 of them are bolt's"
    replayed = days.data.files(f"raw/{DAY}.replay/acme")
    assert b"zo" not in days.data.read(f"raw/{DAY}.replay/acme/{replayed[0]}")


def test_a_cell_of_several_lines_is_one_cell_when_others_were_erased(days: Days) -> None:
    days.data.write(MENDED, 'userId,note\nzoë,x\n7,"one\rtwo\r\nthree"\n'.encode())
    delete(days.engines)
    erase_rejects(days.engines.pipeline, days.data, KEY)
    assert days.data.read(MENDED) == b'userId,note\n7,"one\ntwo\nthree"\n'
