"""The scripts of a backup and a restore, run as their containers run them, and what a database is."""

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, make_url, text

from recommender.daily.forgetting import Honoured, honour_deletions
from recommender.database import open_engine
from recommender.files import Store
from recommender.local.data_folder import binaries
from recommender.local.urls import PerRole
from recommender.roles import BACKUP, url_for
from tests.api.conftest import SETTINGS, eventually
from tests.conftest import PASSWORDS

SCRIPTS = Path(__file__).parent.parent.parent / "charts" / "marquee" / "files"
WITH_BACKUP = {**PASSWORDS, BACKUP: "of the backups in tests"}


def call(name: str, url: str, *words: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """As a container runs it."""
    at = make_url(url)
    given = {
        "PATH": f"{path}{binaries()}:/usr/bin:/bin",
        "PGHOST": str(at.host),
        "PGPORT": str(at.port),
        "PGUSER": str(at.username),
        "PGPASSWORD": str(at.password),
        "PGDATABASE": str(at.database),
    }
    return subprocess.run(
        ["sh", SCRIPTS / name, *words], env=given, capture_output=True, text=True, check=False
    )


def script(name: str, url: str, *words: Path, succeeds: bool = True) -> str:
    """What it said: the error, when it was to fail."""
    done = call(name, url, *words)
    assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
    return done.stdout if succeeds else done.stderr


def restore(urls: PerRole[str], file: Path, data: Store | None = None) -> str:
    """All steps of the Job but `migrate`. What the last of them said."""
    script("restore.sh", urls.admin, file)
    if data:
        forget(urls, data)
    return script("swap.sh", urls.admin, file)


def beside(url: str) -> str:
    """The restored database, which is not served yet."""
    at = make_url(url)
    return at.set(database=f"{at.database}_restored").render_as_string(hide_password=False)


def forget(urls: PerRole[str], data: Store) -> Honoured:
    engine = open_engine(beside(urls.api))
    honoured = honour_deletions(engine, data, SETTINGS["TOMBSTONE_KEY"])
    engine.dispose()
    return honoured


def dumped(urls: PerRole[str], folder: Path) -> Path:
    file = folder / "marquee.dump"
    script("dump.sh", url_for(urls.admin, BACKUP, WITH_BACKUP[BACKUP]), file)
    return file


CATALOGUE = {
    "tables": """SELECT oid::regclass::text, relkind, relowner::regrole::text, relrowsecurity,
        relforcerowsecurity, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a)
        FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'analysis'::regnamespace) ORDER BY 1""",
    "columns": """SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
        attidentity, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(attacl) a)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND relkind IN ('r', 'p') ORDER BY 1, 2""",
    "policies": "SELECT tablename, policyname, roles::text, cmd, qual FROM pg_policies ORDER BY 1, 2",
    "functions": """SELECT oid::regprocedure::text, proowner::regrole::text, prosecdef, proacl::text
        FROM pg_proc WHERE proowner = 'marquee_owner'::regrole ORDER BY 1""",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint ORDER BY 1, 2""",
    "views": "SELECT viewname, viewowner, definition FROM pg_views WHERE schemaname = 'analysis' ORDER BY 1",
    "schemas": """SELECT nspname, nspowner::regrole::text,
        (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(nspacl) a)
        FROM pg_namespace WHERE nspname IN ('public', 'analysis') ORDER BY 1""",
    "ids": "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1",
    "extensions": "SELECT extname, extversion FROM pg_extension ORDER BY 1",
    "database": """SELECT datdba::regrole::text, encoding, datallowconn,
        (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a)
        FROM pg_database WHERE datname = current_database()""",
}


def state(admin: Engine) -> dict[str, Any]:
    """What the database is, and how many rows each table holds."""
    with admin.connect() as connection:
        found: dict[str, Any] = {
            name: [tuple(row) for row in connection.execute(text(query.replace("::", r"\:\:")))]
            for name, query in CATALOGUE.items()
        }
        tables = [row[0] for row in found["tables"] if row[1] in ("r", "p", "v")]
        found["rows"] = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables}
    return found


def wait_for_log(admin: Engine, lists: int) -> None:
    def logged() -> bool:
        with admin.connect() as connection:
            return bool(connection.scalar(text("SELECT count(*) FROM recommendations")) == lists)

    eventually(logged)


def others(elsewhere: Engine, name: str | None) -> list[str]:
    """Databases that a restore of this one left."""
    query = text("SELECT datname FROM pg_database WHERE starts_with(datname, :name || '_') ORDER BY 1")
    with elsewhere.connect() as connection:
        return [str(found) for found in connection.scalars(query, {"name": name})]


def drop(elsewhere: Engine, names: list[str]) -> None:
    with elsewhere.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


SHIM = """#!/bin/sh
echo >>"{counter}"
[ "$(wc -l <"{counter}")" != "$(cat "{fatal}")" ] || exit 1
exec "{program}" "$@"
"""


def shims(folder: Path) -> Callable[[int], str]:
    """A path whose psql and pg_restore fail when they are called for the nth time."""
    (folder / "bin").mkdir()
    counter, fatal = folder / "counter", folder / "fatal"
    for name in ("psql", "pg_restore"):
        program = folder / "bin" / name
        program.write_text(SHIM.format(counter=counter, fatal=fatal, program=binaries() / name))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def failing(nth: int) -> str:
        counter.write_text("")
        fatal.write_text(str(nth))
        return f"{folder / 'bin'}:"

    return failing
