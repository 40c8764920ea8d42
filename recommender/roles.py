"""The three database roles, and what only an administrator may make: they, and the extension."""

from collections.abc import Mapping

from psycopg2 import sql
from sqlalchemy import Connection, Engine, make_url, text

OWNER, API, PIPELINE = ROLES = ("marquee_owner", "marquee_api", "marquee_pipeline")


def make_roles(admin: Engine, passwords: Mapping[str, str]) -> None:
    """Make the roles or give them these passwords; run again it changes nothing else."""
    with admin.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('marquee.roles'))"))
        for role in ROLES:
            _make_role(connection, role, passwords[role])
        database = sql.Identifier(str(admin.url.database))
        _run(connection, sql.SQL("GRANT CONNECT, CREATE ON DATABASE {} TO marquee_owner").format(database))
        _run(connection, sql.SQL("GRANT CONNECT ON DATABASE {} TO marquee_api").format(database))
        _run(connection, sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        _run(
            connection,
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO marquee_pipeline").format(database),
        )
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        connection.execute(text("GRANT USAGE, CREATE ON SCHEMA public TO marquee_owner"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO marquee_api, marquee_pipeline"))


def _make_role(connection: Connection, role: str, password: str) -> None:
    known = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    verb = sql.SQL("ALTER" if known else "CREATE")
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")  # by default a role has no other right
    _run(connection, statement.format(verb, sql.Identifier(role), sql.Literal(password)))


def _run(connection: Connection, statement: sql.Composed) -> None:
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    cursor.close()


def url_for(admin_url: str, role: str, password: str) -> str:
    """The same database, as another role."""
    url = make_url(admin_url).set(username=role, password=password)
    return url.render_as_string(hide_password=False)
