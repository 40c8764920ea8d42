"""The three database roles, and what only an administrator may make: they, and the extension."""

from collections.abc import Mapping
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, Engine, make_url, text

from recommender.errors import BadInput

OWNER, API, PIPELINE = ROLES = ("marquee_owner", "marquee_api", "marquee_pipeline")


def make_roles(admin: Engine, passwords: Mapping[str, str]) -> None:
    """Make the roles or give them these passwords; run again it changes nothing else."""
    with admin.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('marquee.roles'))"))
        for role in ROLES:
            make_role(connection, role, passwords[role])
        database = sql.Identifier(str(admin.url.database))
        _run(connection, sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        everybody = sql.SQL("GRANT CONNECT ON DATABASE {} TO marquee_owner, marquee_api, marquee_pipeline")
        _run(connection, everybody.format(database))
        _run(connection, sql.SQL("GRANT TEMPORARY ON DATABASE {} TO marquee_pipeline").format(database))
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        connection.execute(text("GRANT USAGE, CREATE ON SCHEMA public TO marquee_owner"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO marquee_api, marquee_pipeline"))


def make_role(connection: Connection, role: str, password: str) -> None:
    rights = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = :role")
    known = connection.execute(rights, {"role": role}).first()
    if known and known[0]:
        raise BadInput(f"The role {role} is a superuser or bypasses row security: it must not serve Marquee.")
    verb = sql.SQL("ALTER" if known else "CREATE")
    # Only the verifier is sent: the server may log the statement.
    driver: Any = connection.connection.driver_connection
    verifier = encrypt_password(password, role, scope=driver, algorithm="scram-sha-256")
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")  # a new role has no other right
    _run(connection, statement.format(verb, sql.Identifier(role), sql.Literal(verifier)))


def _run(connection: Connection, statement: sql.Composed) -> None:
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    cursor.close()


def url_for(admin_url: str, role: str, password: str) -> str:
    """The same database, as another role."""
    url = make_url(admin_url).set(username=role, password=password)
    return url.render_as_string(hide_password=False)
