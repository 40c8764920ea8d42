"""The schema: brought to the newest version, and left alone when it is newer than this code."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from recommender.database import open_engine, transaction
from recommender.errors import Busy, Failed
from recommender.settings import DatabaseSettings

MIGRATIONS = Path(__file__).parent.parent / "migrations"
PATIENCE_S = 600.0  # while somebody else holds a table that must be changed
_PAUSE_S = 1.0
_HELD, _REFUSED, _NO_ROLE = "55P03", "42501", "42704"
NUMBER = re.compile(r"\d{4}")


def alembic_config() -> Config:
    """Alembic finds the connection in DATABASE_URL, like every verb."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def newest() -> str:
    """The revision that this code's migrations lead to."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def migrate(
    revision: str = "head", say: Callable[[str], None] = lambda _: None, patience_s: float = PATIENCE_S
) -> str:
    """What became of the schema, as a sentence. Nobody who uses a table waits long for it: see env.py."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            command.upgrade(alembic_config(), revision)
            return "The schema is at its newest version."
        except CommandError as error:
            return _left_alone(error)
        except DBAPIError as error:
            _judge(error, time.monotonic() < deadline)
        say("Somebody migrates too, or uses a table that must be changed: trying again.")
        time.sleep(_PAUSE_S)


def _left_alone(error: CommandError) -> str:
    """As after a rollback of the code, which never rolls the schema back."""
    with transaction(open_engine(DatabaseSettings.read().database_url)) as connection:
        found = str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    if NUMBER.fullmatch(found) and found > newest():
        return f"The schema is newer ({found}) than this code knows ({newest()}): it is left as it is."
    raise Failed(f"The schema was not changed: {error}") from error


def _judge(error: DBAPIError, patient: bool) -> None:
    """Returns when it may be tried again."""
    state, said = getattr(error.orig, "pgcode", None), str(error.orig).strip().partition("\n")[0]
    if state in (_REFUSED, _NO_ROLE):
        raise Failed(
            f"The schema was not changed: {said}. Run `marquee roles` of this version as an administrator"
            " first, and migrate as marquee_owner."
        ) from error
    if state != _HELD:
        raise error
    if not patient:
        raise Busy(
            "The schema was not changed: somebody else migrates, or uses a table, for too long."
        ) from error
