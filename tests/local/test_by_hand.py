from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from recommender.errors import Failed
from recommender.local.by_hand import run_verb
from recommender.local.places import LocalSettings, Places
from recommender.local.secrets import read_or_make
from recommender.local.urls import PerRole
from recommender.roles import ROLES, make_roles
from tests.conftest import PASSWORDS


@pytest.fixture
def places(tmp_path: Path, engines: PerRole[Engine]) -> Places:
    """Of a platform whose secrets open the test's database."""
    places = Places(tmp_path)
    places.state.mkdir()
    secrets = read_or_make(places.secrets)
    make_roles(engines.admin, {role: secrets[role] for role in ROLES})
    return places


def test_a_verb_runs_as_the_role_that_it_needs(
    places: Places, urls: PerRole[str], engines: PerRole[Engine]
) -> None:
    settings = LocalSettings(database_url=urls.admin)
    add = ("clients", "add", "north", "--name", "North", "--email", "ops@north.example.com")
    try:
        statuses = [run_verb(settings, places, words) for words in (add, ("tidy",), ("train",))]
    finally:
        make_roles(engines.admin, PASSWORDS)  # roles belong to the whole server
    assert statuses == [0, 0, 1]  # there is nothing to learn from
    with engines.admin.connect() as connection:
        assert connection.scalar(text("SELECT username FROM clients")) == "north"


def test_before_the_first_start_it_says_what_comes_first(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="never started here"):
        run_verb(LocalSettings(database_url=None), Places(tmp_path), ("train",))
