"""A verb run by hand on this machine's platform, with the settings and the role that it needs."""

import os
import subprocess
from collections.abc import Sequence

from recommender.errors import Failed
from recommender.local import verbs
from recommender.local.places import LocalSettings, Places
from recommender.local.postgres import Server
from recommender.local.secrets import read_or_make
from recommender.local.urls import role_urls

DATABASE = "marquee"
AS_OWNER = {"clients", "migrate"}


def run_verb(settings: LocalSettings, places: Places, words: Sequence[str]) -> int:
    """Its exit status."""
    environment = {**os.environ, **_settings(settings, places, words[0])}
    return subprocess.run([*verbs.command("marquee"), *words], env=environment, check=False).returncode


def _settings(settings: LocalSettings, places: Places, verb: str) -> dict[str, str]:
    if not places.secrets.exists():
        raise Failed("Marquee was never started here: ./setup.sh local comes first.")
    secrets = read_or_make(places.secrets)
    server = Server(places.postgres, secrets["postgres"], places.log("postgres"))
    urls = role_urls(settings.database_url or server.url(DATABASE), secrets)
    return {
        "DATABASE_URL": urls.owner if verb in AS_OWNER else urls.pipeline,
        "MODELS_URL": str(places.models),
        "TOMBSTONE_KEY": secrets["tombstone_key"],
    }
