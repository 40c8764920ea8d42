"""A verb run by hand on this machine's platform, with the settings and the role that it needs."""

import os
from collections.abc import Sequence

from recommender.errors import Failed
from recommender.local import verbs
from recommender.local.places import LocalSettings, Places
from recommender.local.postgres import Server
from recommender.local.secrets import read_or_make
from recommender.local.urls import role_urls

DATABASE = "marquee"
AS_OWNER = {"clients", "migrate"}
AS_API = {"honour-deletions"}


def command(words: Sequence[str]) -> list[str]:
    return [*verbs.command("marquee"), *words]


def environment(settings: LocalSettings, places: Places, words: Sequence[str]) -> dict[str, str]:
    if not places.secrets.exists():
        raise Failed("Marquee was never started here: ./setup.sh local comes first.")
    secrets = read_or_make(places.secrets)
    urls = role_urls(_database(settings, places, secrets["postgres"]), secrets)
    verb = _verb(words)
    url = urls.owner if verb in AS_OWNER else urls.api if verb in AS_API else urls.pipeline
    return {**os.environ, **stores(places, secrets["tombstone_key"]), "DATABASE_URL": url}


def stores(places: Places, tombstone_key: str) -> dict[str, str]:
    """What every role is told."""
    return {
        "DATA_URL": str(places.data),
        "MODELS_URL": str(places.models),
        "BACKUP_URL": str(places.backups),
        "TOMBSTONE_KEY": tombstone_key,
    }


def _database(settings: LocalSettings, places: Places, password: str) -> str:
    if settings.database_url or places.database_url.exists():
        return settings.database_url or places.database_url.read_text()
    return Server(places.postgres, password, places.log("postgres")).url(DATABASE)


def _verb(words: Sequence[str]) -> str:
    """The first word, but for `--record FILE` before it."""
    return words[2] if words[0] == "--record" and len(words) > 2 else words[0]
