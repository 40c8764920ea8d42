"""A database that the scripts of the chart dumped and restored answers as it did, but for the deleted."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from recommender.backups import fetch, keep
from recommender.daily.forgetting import Honoured, write_tombstones
from recommender.database import open_engine
from recommender.files import Store
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from recommender.roles import BACKUP, make_roles, url_for
from recommender.schema import migrate, newest
from tests.api.conftest import Service
from tests.api.restores import (
    WITH_BACKUP,
    beside,
    call,
    drop,
    dumped,
    forget,
    others,
    restore,
    script,
    shims,
    state,
    wait_for_log,
)

NIGHT = datetime(2026, 2, 1, 3, 17, tzinfo=UTC)
USERS = {
    "ann": ["The Matrix (1999)", "Inception (2010)"],
    "ben": ["Toy Story (1995)", "Spirited Away (2001)"],
    "zoë": ["Alien (1979)"],
}


@pytest.fixture
def admin(watchful: Service) -> Iterator[Engine]:
    engine = create_engine(watchful.urls.admin)
    make_roles(engine, WITH_BACKUP)
    yield engine
    engine.dispose()


@pytest.fixture
def elsewhere(server: Server) -> Iterator[Engine]:
    engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def client(watchful: Service, admin: Engine) -> httpx.Client:
    """With three users, all of whose lists are logged."""
    client = watchful.client()
    for name, titles in USERS.items():
        history = [{"title": title, "rating": 5} for title in titles]
        asked = {"external_id": name, "history": history}
        assert client.post("/recommendations", json=asked).status_code == 200
    return client


def answers(client: httpx.Client) -> dict[str, bytes]:
    """What each user is recommended, but for the id of the list."""
    return {name: answer(client, name) for name in USERS}


def answer(client: httpx.Client, name: str) -> bytes:
    asked = client.post("/recommendations", json={"external_id": name, "k": 20})
    assert asked.status_code == 200, asked.text
    return asked.content.replace(asked.json()["recommendation_id"].encode(), b"")


def test_dumped_dropped_and_restored_it_is_the_same_and_answers_the_same(
    watchful: Service,
    client: httpx.Client,
    admin: Engine,
    elsewhere: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = answers(client)
    wait_for_log(admin, 2 * len(USERS))
    before, store, data = state(admin), Store.at(tmp_path / "backups"), Store.at(tmp_path / "data")
    assert before["rows"]["movies"] > 2000 and before["rows"]["movies_users_rating"] > 5000
    kept = keep(store, dumped(watchful.urls, tmp_path), NIGHT, most=3).backup
    assert (kept.name, kept.schema) == ("marquee-20260201T031700Z.dump", newest())

    # Deleted after the backup, and noted where the files of the days are.
    zoe = json.loads(told["zoë"])["user_id"]
    assert client.delete(f"/users/{zoe}").status_code == 204
    engines = watchful.urls.map(open_engine)
    assert write_tombstones(engines.pipeline, data) == 2
    engines.map(Engine.dispose)

    admin.dispose()
    with elsewhere.connect() as connection:
        connection.execute(text(f"DROP DATABASE {admin.url.database} WITH (FORCE)"))
    assert client.post("/recommendations", json={"external_id": "ann"}).status_code == 503

    fetch(store, "newest", tmp_path / "again.dump")
    script("restore.sh", watchful.urls.admin, tmp_path / "again.dump")
    restored = create_engine(beside(watchful.urls.admin))
    assert state(restored) == before
    monkeypatch.setenv("DATABASE_URL", beside(watchful.urls.owner))
    assert migrate() == "The schema is at its newest version."
    make_roles(restored, WITH_BACKUP)
    assert state(restored) == before
    restored.dispose()

    assert forget(watchful.urls, data) == Honoured(2, 1, 0, ())
    script("swap.sh", watchful.urls.admin, tmp_path / "again.dump")
    assert client.post("/recommendations", json={"external_id": "zoë"}).status_code == 404
    assert {name: answer(client, name) for name in ("ann", "ben")} == {
        name: told[name] for name in ("ann", "ben")
    }, "by the process that was there all the time"


def test_what_is_replaced_is_kept_under_another_name_and_the_api_serves_on(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    told, file = answers(client), dumped(watchful.urls, tmp_path)
    history = [{"title": "Alien (1979)", "rating": 5}]
    assert (
        client.post("/recommendations", json={"external_id": "late", "history": history}).status_code == 200
    )
    said = restore(watchful.urls, file)
    assert answers(client) == told
    assert client.post("/recommendations", json={"external_id": "late"}).status_code == 404
    assert script("swap.sh", watchful.urls.admin, file).endswith(" is restored already\n")
    (kept,) = others(elsewhere, admin.url.database)
    assert kept.startswith(f"{admin.url.database}_before_20")
    assert said.splitlines()[-1].endswith(f"When nobody misses it: DROP DATABASE {kept}")
    old = create_engine(admin.url.set(database=kept))
    with old.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM users WHERE external_id = 'late'")) == 1
    old.dispose()
    drop(elsewhere, [kept])


def test_a_restore_that_failed_anywhere_leaves_the_database_serving_and_is_run_again(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    told, file, failing = answers(client), dumped(watchful.urls, tmp_path), shims(tmp_path)
    with elsewhere.connect() as connection:  # as a run leaves it that was killed while it swapped the names
        connection.execute(text(f"ALTER DATABASE {admin.url.database} CONNECTION LIMIT 0"))
    for step in ("restore.sh", "swap.sh"):
        for nth in count(1):
            if any("_before_" in name for name in others(elsewhere, admin.url.database)):
                break
            if call(step, watchful.urls.admin, file, path=failing(nth)).returncode == 0:
                break
            if step == "swap.sh" or nth > 3:  # the first calls look at the dump and at the roles
                assert answers(client) == told
        assert nth > 5, "every call had its turn"
    drop(elsewhere, [name for name in others(elsewhere, admin.url.database) if "_before_" in name])
    restore(watchful.urls, file)
    assert answers(client) == told
    (left,) = others(elsewhere, admin.url.database)
    assert "_before_" in left
    drop(elsewhere, [left])


def delete(client: httpx.Client, told: dict[str, bytes], name: str) -> None:
    assert client.delete(f"/users/{json.loads(told[name])['user_id']}").status_code == 204


def test_who_was_deleted_after_the_backup_is_never_answered_again(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    """Also when no file knows of it."""
    told, file = answers(client), dumped(watchful.urls, tmp_path)
    delete(client, told, "zoë")
    statuses, over = set[int](), Event()

    def ask() -> None:
        while not over.is_set():
            statuses.add(client.post("/recommendations", json={"external_id": "zoë"}).status_code)

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask)
        try:
            restore(watchful.urls, file, Store.at(tmp_path / "data"))
            assert {name: answer(client, name) for name in ("ann", "ben")} == {
                name: told[name] for name in ("ann", "ben")
            }
        finally:
            over.set()
        asking.result()
    assert 404 in statuses <= {404, 503}
    drop(elsewhere, others(elsewhere, admin.url.database))


def test_a_deletion_while_a_restore_runs_is_not_lost(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    told, file, data = answers(client), dumped(watchful.urls, tmp_path), Store.at(tmp_path / "data")
    script("restore.sh", watchful.urls.admin, file)
    assert forget(watchful.urls, data) == Honoured(0, 0, 0, ())
    delete(client, told, "ben")
    said = script("swap.sh", watchful.urls.admin, file, succeeds=False)
    assert "while this restore ran (2 tombstones). Nothing was swapped" in said
    assert answer(client, "ann") == told["ann"]
    assert client.post("/recommendations", json={"external_id": "ben"}).status_code == 404
    restore(watchful.urls, file, data)
    assert client.post("/recommendations", json={"external_id": "ben"}).status_code == 404
    drop(elsewhere, others(elsewhere, admin.url.database))


def test_a_number_that_was_given_after_the_backup_is_not_given_again(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    """Else the token of a client, or the id of a user, would be somebody else's."""
    file, lost = dumped(watchful.urls, tmp_path), watchful.client()
    history = [{"title": "Alien (1979)", "rating": 5}]
    gone = lost.post("/recommendations", json={"external_id": "x", "history": history}).json()["user_id"]
    restore(watchful.urls, file)
    again = watchful.client().post("/recommendations", json={"external_id": "y", "history": history})
    assert again.json()["user_id"] > gone
    assert lost.post("/recommendations", json={"external_id": "y"}).status_code == 401
    drop(elsewhere, others(elsewhere, admin.url.database))


def test_a_second_restore_leaves_the_first_alone_while_it_works(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    told, file = answers(client), dumped(watchful.urls, tmp_path)
    second = tmp_path / "second.dump"
    shutil.copyfile(file, second)
    script("restore.sh", watchful.urls.admin, file)
    forgetting = create_engine(beside(watchful.urls.api))
    with forgetting.connect():
        said = script("restore.sh", watchful.urls.admin, second, succeeds=False)
        assert f"Another restore is at work in {admin.url.database}_restored, and was left alone." in said
    forgetting.dispose()
    script("swap.sh", watchful.urls.admin, second, succeeds=False)
    script("swap.sh", watchful.urls.admin, file)
    assert answers(client) == told
    drop(elsewhere, others(elsewhere, admin.url.database))


def test_a_restore_swaps_nothing_that_another_made(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    told, file = answers(client), dumped(watchful.urls, tmp_path)
    second = tmp_path / "second.dump"
    shutil.copyfile(file, second)
    for one in (file, second):
        script("restore.sh", watchful.urls.admin, one)
    said = script("swap.sh", watchful.urls.admin, file, succeeds=False)
    assert said == (
        f"{admin.url.database}_restored is not what this restore made: another was started meanwhile."
        " Nothing was swapped.\n"
    )
    assert answers(client) == told
    script("swap.sh", watchful.urls.admin, second)
    assert answers(client) == told
    drop(elsewhere, others(elsewhere, admin.url.database))


def test_a_dump_that_is_cut_short_touches_nothing(
    watchful: Service, client: httpx.Client, admin: Engine, elsewhere: Engine, tmp_path: Path
) -> None:
    told, file = answers(client), dumped(watchful.urls, tmp_path)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1000)
    script("restore.sh", watchful.urls.admin, file, succeeds=False)
    assert others(elsewhere, admin.url.database) == []
    assert answers(client) == told


def test_on_a_server_without_the_roles_it_says_what_comes_first(
    urls: PerRole[str], engines: PerRole[Engine], tmp_path: Path
) -> None:
    make_roles(engines.admin, WITH_BACKUP)
    file, bare = dumped(urls, tmp_path), Server(tmp_path / "bare", "secret", tmp_path / "log")
    bare.start()
    try:
        said = script("restore.sh", bare.url("marquee"), file, succeeds=False)
        roles = ("owner", "api", "pipeline", "analyst", "views")
        missing = ", ".join(f"marquee_{role}" for role in roles)
        assert said == f"These roles are missing: {missing}. Run `marquee roles` first, then this again.\n"
        bare.make_database("marquee")
        admin = create_engine(bare.url("marquee"))
        make_roles(admin, WITH_BACKUP)
        script("restore.sh", bare.url("marquee"), file)
        script("swap.sh", bare.url("marquee"), file)
        assert state(admin) == state(engines.admin)
        admin.dispose()
    finally:
        bare.stop()


def test_a_dump_that_failed_leaves_no_file(
    urls: PerRole[str], engines: PerRole[Engine], tmp_path: Path
) -> None:
    make_roles(engines.admin, WITH_BACKUP)
    file = dumped(urls, tmp_path)
    script("dump.sh", url_for(urls.admin, BACKUP, "another password"), file, succeeds=False)
    assert list(tmp_path.iterdir()) == []


def test_the_api_role_cannot_make_a_dump(urls: PerRole[str], tmp_path: Path) -> None:
    """It would be one without rows: row-level security is a refusal, not a filter."""
    said = script("dump.sh", urls.api, tmp_path / "marquee.dump", succeeds=False)
    assert "permission denied" in said
    assert list(tmp_path.iterdir()) == []
