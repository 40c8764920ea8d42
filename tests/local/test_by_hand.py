import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from recommender.errors import Failed
from recommender.local import by_hand
from recommender.local.places import LocalSettings, Places
from recommender.local.secrets import read_or_make
from recommender.local.urls import PerRole
from recommender.roles import ROLES, make_roles
from tests.conftest import PASSWORDS


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Of a platform that was started before."""
    places = Places(tmp_path)
    places.state.mkdir()
    read_or_make(places.secrets)
    return places


def test_a_verb_runs_with_the_settings_of_this_machine(
    places: Places, urls: PerRole[str], engines: PerRole[Engine]
) -> None:
    settings, secrets = LocalSettings(database_url=urls.admin), read_or_make(places.secrets)
    add = ("clients", "add", "north", "--name", "North", "--email", "ops@north.example.com")
    make_roles(engines.admin, {role: secrets[role] for role in ROLES})
    try:
        statuses = [run(settings, places, *words) for words in (add, ("models",), ("clients",))]
    finally:
        make_roles(engines.admin, PASSWORDS)  # roles belong to the whole server
    assert statuses == [0, 0, 2]
    with engines.admin.connect() as connection:
        assert connection.scalar(text("SELECT username FROM clients")) == "north"


def run(settings: LocalSettings, places: Places, *words: str) -> int:
    environment = by_hand.environment(settings, places, words)
    return subprocess.run(by_hand.command(words), env=environment, check=False).returncode


@pytest.mark.parametrize(
    ("words", "role"),
    [
        ("migrate", "marquee_owner"),
        ("clients list", "marquee_owner"),
        ("honour-deletions", "marquee_api"),
        ("fetch --day 2026-01-31", "marquee_pipeline"),
        ("--record - migrate", "marquee_owner"),
        ("--record", "marquee_pipeline"),
    ],
)
def test_each_verb_runs_as_the_role_that_it_needs(places: Places, words: str, role: str) -> None:
    settings = LocalSettings(database_url="postgresql://postgres:p@127.0.0.1:1/marquee")
    told = by_hand.environment(settings, places, words.split())
    assert make_url(told["DATABASE_URL"]).username == role
    assert told["DATA_URL"] == str(places.data)
    assert told["MODELS_URL"] == str(places.models)
    assert told["BACKUP_URL"] == str(places.backups)


def test_a_verb_finds_the_database_that_the_platform_was_started_with(places: Places) -> None:
    places.database_url.write_text("postgresql+psycopg2://admin:p@db.example.com:5433/films")
    told = by_hand.environment(LocalSettings(database_url=None), places, ["tidy"])
    url = make_url(told["DATABASE_URL"])
    assert (url.host, url.port, url.database, url.username) == (
        "db.example.com",
        5433,
        "films",
        "marquee_pipeline",
    )


def test_before_the_first_start_it_says_what_comes_first(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="never started here"):
        by_hand.environment(LocalSettings(database_url=None), Places(tmp_path), ["train"])
