"""The verbs as a person runs them: what they do, what they say, and how they end."""

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, create_engine, make_url, text

from recommender import accounts
from recommender.cli import main
from recommender.local.urls import PerRole
from recommender.roles import ANALYST, ROLES
from recommender.settings import (
    BackupSettings,
    DatabaseSettings,
    DataSettings,
    DeletionSettings,
    ModelSettings,
    RolePasswords,
)
from tests.conftest import PASSWORDS

KEY = "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u"
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
ADD = ("clients", "add", "NorthFlix", "--name", "Northflix", "--email", "Ops@Northflix.example.com")
Run = Callable[..., Result]
GROUPS = (DatabaseSettings, DataSettings, ModelSettings, DeletionSettings, BackupSettings, RolePasswords)


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for group in GROUPS:
        for name in group.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)


def marquee(*words: str | Path, url: str = "", **settings: str) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], env={"DATABASE_URL": url, **settings})


@pytest.fixture
def owner(urls: PerRole[str]) -> Run:
    return lambda *words: marquee(*words, url=urls.owner)


@pytest.fixture
def pipeline(urls: PerRole[str]) -> Run:
    return lambda *words: marquee(*words, url=urls.pipeline, TOMBSTONE_KEY=KEY)


def said(result: Result) -> str:
    """What a verb that went well says; progress goes to the other stream."""
    assert result.exit_code == 0, result.output
    return result.stdout


def one_sentence(result: Result, status: int) -> str:
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("marquee: "), result.stderr
    return result.stderr.strip()


def select(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def opens(engine: Engine, username: str, password: str) -> bool:
    with engine.connect() as connection:
        account = accounts.find(connection, username)
    return account is not None and accounts.password_matches(password, account.password_hash)


def test_a_client_is_added_once_in_lower_case_with_a_password_that_opens(
    owner: Run, engines: PerRole[Engine]
) -> None:
    told = said(owner(*ADD))
    assert told.startswith("client northflix registered, password: ")
    assert opens(engines.api, "northflix", told.split()[-1])
    assert said(owner(*ADD)) == "client northflix is there already\n"
    assert select(engines.owner, "SELECT username, name, email FROM clients") == [
        ("northflix", "Northflix", "ops@northflix.example.com")
    ]


def test_a_client_without_a_password_is_told_none(owner: Run) -> None:
    assert said(owner(*ADD, "--no-password")) == "client northflix registered\n"


@pytest.mark.parametrize(
    ("username", "email", "sentence"),
    [
        ("NorthFlix", "Not an email", "This is not an e-mail address."),
        ("North Flix", "ops@example.com", "A username has 3 to 50 letters"),
        ("no", "ops@example.com", "A username has 3 to 50 letters"),
    ],
)
def test_a_client_with_a_bad_name_or_address_is_refused(
    owner: Run, engines: PerRole[Engine], username: str, email: str, sentence: str
) -> None:
    refused = owner("clients", "add", username, "--name", "North", "--email", email)
    assert sentence in one_sentence(refused, 1)
    assert select(engines.owner, "SELECT * FROM clients") == []


def test_an_address_that_is_taken_is_one_sentence(owner: Run) -> None:
    said(owner(*ADD))
    other = owner("clients", "add", "south", "--name", "S", "--email", "OPS@northflix.example.com")
    assert "exists already" in one_sentence(other, 1)


def test_clients_are_listed_with_their_status(owner: Run) -> None:
    assert said(owner("clients", "list")) == ""
    said(owner(*ADD))
    said(owner("clients", "disable", "NorthFlix"))
    listed = said(owner("clients", "list"))
    assert re.search(r"northflix +disabled +\d{4}-\d\d-\d\d +Northflix <ops@northflix.example.com>", listed)
    said(owner("clients", "enable", "NORTHFLIX"))
    assert " active " in said(owner("clients", "list"))


def test_a_new_password_opens_and_the_old_one_does_not(owner: Run, engines: PerRole[Engine]) -> None:
    old = said(owner(*ADD)).split()[-1]
    new = said(owner("clients", "reset-password", "NorthFlix")).split()[-1]
    assert [opens(engines.api, "northflix", password) for password in (old, new)] == [False, True]


def test_a_client_is_deleted_when_a_person_says_yes(owner: Run, urls: PerRole[str]) -> None:
    said(owner(*ADD))
    asked = CliRunner().invoke(
        main, ["clients", "delete", "NorthFlix"], input="n\n", env={"DATABASE_URL": urls.owner}
    )
    assert asked.exit_code == 1
    assert "northflix" in said(owner("clients", "list"))
    said(owner("clients", "delete", "NorthFlix", "--yes"))
    assert said(owner("clients", "list")) == ""


@pytest.mark.parametrize("words", [("disable",), ("enable",), ("reset-password",), ("delete", "--yes")])
def test_an_unknown_client_is_one_sentence(owner: Run, words: tuple[str, ...]) -> None:
    assert one_sentence(owner("clients", *words, "nobody"), 1) == "marquee: There is no client nobody."


@pytest.fixture
def folder(tmp_path: Path, owner: Run) -> Path:
    """A MovieLens folder with two good ratings and three bad ones, of a client that exists."""
    said(owner(*ADD))
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Heat (1995),Crime\n2,Alien (1979),Horror\n")
    ratings = "7,1,4,100\n7,2,5,200\n8,9,4,1\n8,1,0,1\n,1,5,1\n"
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + ratings)
    return tmp_path


def test_an_import_says_what_it_did_and_lists_what_it_refused(pipeline: Run, folder: Path) -> None:
    told = said(pipeline("import", folder, "--client", "NorthFlix"))
    assert "movies.csv: 2 movies read: 2 new" in told
    assert "ratings.csv: 5 ratings read: 2 loaded, 0 unchanged, 0 superseded, 3 rejected; 1 new users" in told
    for line in (
        "ratings.csv:4: unknown_movie: 8,9,4,1",
        "ratings.csv:5: rating_off_scale: 8,1,0,1",
        "ratings.csv:6: bad_user: ,1,5,1",
    ):
        assert line in told.splitlines()


def test_every_reject_is_written_to_the_file_that_is_named(pipeline: Run, folder: Path) -> None:
    file = folder / "rejects.csv"
    told = said(pipeline("import", folder, "--client", "northflix", "--rejects", file))
    assert f"The 3 rejects are in {file}." in told
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [(row["file"], row["line"], row["rule"], row["row"]) for row in csv.DictReader(stream)]
    assert rows == [
        ("ratings.csv", "4", "unknown_movie", "8,9,4,1"),
        ("ratings.csv", "5", "rating_off_scale", "8,1,0,1"),
        ("ratings.csv", "6", "bad_user", ",1,5,1"),
    ]


def test_more_rejects_than_a_screen_holds_are_counted(pipeline: Run, folder: Path) -> None:
    bad = "8,9,4,1\n" * 60
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + bad)
    told = said(pipeline("import", folder, "--client", "northflix")).splitlines()
    assert sum(line.startswith("ratings.csv:") and "unknown_movie" in line for line in told) == 50
    assert told[-1] == "... and 10 more; --rejects FILE writes them all."


def test_an_import_for_an_unknown_client_is_one_sentence(pipeline: Run, folder: Path) -> None:
    assert "no client" in one_sentence(pipeline("import", folder, "--client", "nobody"), 1)


def partitions(engine: Engine) -> list[str]:
    query = (
        "SELECT relname FROM pg_class JOIN pg_inherits ON oid = inhrelid"
        " WHERE inhparent = 'recommendations'::regclass AND relname ~ '_\\d{4}_\\d{2}$' ORDER BY 1"
    )
    return [row[0].removeprefix("recommendations_") for row in select(engine, query.replace(":", r"\:"))]


def test_tidy_makes_the_next_months_and_drops_those_past_their_time(
    pipeline: Run, engines: PerRole[Engine]
) -> None:
    before = partitions(engines.admin)
    said(pipeline("tidy", "--day", "2031-03-17"))
    made = [name for name in partitions(engines.admin) if name >= "2031"]
    assert made == ["2031_03", "2031_04", "2031_05", "2031_06"]
    assert partitions(engines.admin) == made, f"{before} are older than six months"
    assert said(pipeline("tidy", "--day", "2031-06-30", "--keep-months", "2")).startswith(
        "3 partitions made, 1 dropped, "
    )
    assert partitions(engines.admin) == [f"2031_{month:02}" for month in range(4, 10)]


def test_tidy_forgets_keys_after_a_day(owner: Run, pipeline: Run, engines: PerRole[Engine]) -> None:
    said(owner(*ADD))
    now = datetime.now(UTC)
    with engines.admin.begin() as connection:
        for key, age in (("old", 25), ("young", 23)):
            values = {"key": key, "then": now - timedelta(hours=age)}
            connection.execute(
                text(
                    "INSERT INTO idempotency_keys (client_id, key, request_digest, created_at)"
                    " SELECT client_id, :key, 'digest', :then FROM clients"
                ),
                values,
            )
    assert "1 old Idempotency-Keys forgotten" in said(pipeline("tidy"))
    assert select(engines.admin, "SELECT key FROM idempotency_keys") == [("young",)]


@pytest.mark.parametrize("months", ["0", "-1"])
def test_tidy_keeps_a_month_at_least(pipeline: Run, months: str) -> None:
    refused = pipeline("tidy", "--keep-months", months)
    assert refused.exit_code == 2
    assert "--keep-months" in refused.stderr


def test_roles_may_be_made_twice_and_connect_with_the_passwords_given(urls: PerRole[str]) -> None:
    given = {f"{role.removeprefix('marquee_').upper()}_PASSWORD": PASSWORDS[role] for role in ROLES}
    admin = create_engine(urls.admin)
    with admin.begin() as connection:
        connection.execute(text(f"REVOKE CONNECT ON DATABASE {admin.url.database} FROM marquee_api"))
    admin.dispose()
    for _ in range(2):
        told = said(marquee("roles", url=urls.admin, ANALYST_PASSWORD=PASSWORDS[ANALYST], **given))
        roles = "marquee_owner, marquee_api, marquee_pipeline and marquee_analyst"
        assert told.splitlines()[0] == f"The roles {roles} are there."  # other tests may have made one more
    engine = create_engine(urls.api)
    assert select(engine, "SELECT current_user") == [("marquee_api",)]
    engine.dispose()


def test_a_schema_may_be_migrated_twice(urls: PerRole[str]) -> None:
    assert "newest version" in said(marquee("migrate", url=urls.owner))


@pytest.mark.parametrize(
    ("words", "settings", "missing"),
    [
        (("clients", "list"), {}, "DATABASE_URL"),
        (("models",), {}, "DATABASE_URL"),
        (("import", "folder"), {"DATABASE_URL": NOWHERE}, "TOMBSTONE_KEY"),
        (("roles",), {"DATABASE_URL": NOWHERE}, "OWNER_PASSWORD"),
    ],
)
def test_a_missing_setting_is_one_sentence_and_ends_with_2(
    words: tuple[str, ...], settings: dict[str, str], missing: str
) -> None:
    result = CliRunner().invoke(main, words, env=settings)
    assert one_sentence(result, 2).startswith(f"marquee: {missing}: ")


def test_a_verb_wants_no_setting_of_another(urls: PerRole[str], folder: Path) -> None:
    assert "No model was trained yet" in said(marquee("models", url=urls.pipeline))


@pytest.mark.parametrize("words", [("clients", "list"), ("tidy",), ("migrate",), ("roles",)])
def test_a_database_that_is_away_is_one_sentence(words: tuple[str, ...]) -> None:
    passwords = dict.fromkeys(("OWNER_PASSWORD", "API_PASSWORD", "PIPELINE_PASSWORD"), KEY)
    told = one_sentence(marquee(*words, url=NOWHERE, **passwords), 1)
    assert "The database does not answer: " in told


@pytest.mark.parametrize(
    "words", [("clients", "list"), ("clients", "disable", "north"), ("roles",), ("tidy",)]
)
def test_the_wrong_role_is_told_to_connect_as_another(urls: PerRole[str], words: tuple[str, ...]) -> None:
    passwords = dict.fromkeys(("OWNER_PASSWORD", "API_PASSWORD", "PIPELINE_PASSWORD"), KEY)
    told = one_sentence(marquee(*words, url=urls.api, **passwords), 1)
    assert "permission denied" in told
    assert "Connect as another role" in told


@pytest.mark.parametrize(
    "words", [("clients", "list"), ("clients", "disable", "north"), ("tidy",), ("models",)]
)
def test_a_database_without_the_schema_is_told_to_migrate(urls: PerRole[str], words: tuple[str, ...]) -> None:
    empty = make_url(urls.admin).set(database="postgres").render_as_string(hide_password=False)
    assert "Run `marquee migrate` first" in one_sentence(marquee(*words, url=empty), 1)


def test_a_database_that_is_ahead_of_this_code_is_left_as_it_is(owner: Run, engines: PerRole[Engine]) -> None:
    with engines.owner.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert said(owner("migrate")).startswith("The schema is newer (9999) than this code knows (")


def test_a_database_of_another_history_is_one_sentence(owner: Run, engines: PerRole[Engine]) -> None:
    with engines.owner.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'theirs'"))
    assert "theirs" in one_sentence(owner("migrate"), 1)


def test_the_starter_catalogue_is_loaded_once(urls: PerRole[str], engines: PerRole[Engine]) -> None:
    """Without a secret; as a job that may run again with each upgrade."""
    revision = "SELECT catalogue_revision FROM serving"
    told = said(marquee("starter", url=urls.pipeline))
    assert re.fullmatch(r"The starter catalogue is loaded: (2,\d\d\d) new, .*, 0 known\.\n", told)
    loaded = select(engines.admin, revision)
    again = said(marquee("starter", url=urls.pipeline))
    assert re.fullmatch(r"The starter catalogue is known already: 2,\d\d\d movies\.\n", again)
    assert select(engines.admin, revision) == loaded
    assert select(engines.admin, "SELECT DISTINCT source FROM movie_sources") == [("starter",)]
