"""The database roles, and what only an administrator may make: they, the extension, Airflow's database.

The administrator need not be a superuser: who owns the database and may make roles is enough, once pgvector
is there, for all but marquee_backup. What is so already is not done again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from psycopg2 import sql
from psycopg2.errors import FeatureNotSupported, InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, Engine, make_url, text

from recommender.errors import BadInput, Busy, Failed, Refused

OWNER, API, PIPELINE = ROLES = ("marquee_owner", "marquee_api", "marquee_pipeline")
ANALYST = "marquee_analyst"  # reads the views of the schema analysis; logs in once it has a password
VIEWS = "marquee_views"  # owns those views; nobody logs in as it
BACKUP = "marquee_backup"  # reads everything, for pg_dump; made when it has a password
AIRFLOW = "airflow"  # owns a database of the same name; made when it has a password
OLDEST = 160_000  # Postgres that knows grants of a role without its rights

_ON_DATABASE: Mapping[str, tuple[str, ...]] = {
    OWNER: ("CONNECT", "CREATE"),
    API: ("CONNECT",),
    PIPELINE: ("CONNECT", "TEMPORARY"),
    ANALYST: ("CONNECT",),
    BACKUP: ("CONNECT",),
}
_ON_PUBLIC: Mapping[str, tuple[str, ...]] = {
    OWNER: ("USAGE", "CREATE"),
    API: ("USAGE",),
    PIPELINE: ("USAGE",),
    VIEWS: ("USAGE",),
}


def make_roles(admin: Engine, passwords: Mapping[str, str]) -> list[str]:
    """Make the roles or give them these passwords. What is now true, as sentences."""
    with _alone(admin) as connection:
        _check_version(connection)
        for role in ROLES:
            make_role(connection, role, passwords[role])
        said = _make_readers(connection, passwords)
        made = [*ROLES, ANALYST, *([BACKUP] if BACKUP in passwords else [])]
        _open_database(connection, {role: _ON_DATABASE[role] for role in made})
    if AIRFLOW in passwords:
        own_database(admin, AIRFLOW, passwords[AIRFLOW])
        said.append(f"The database {AIRFLOW} is there; the role {AIRFLOW} owns it.")
    return [f"The roles {', '.join(made[:-1])} and {made[-1]} are there.", *said]


def _check_version(connection: Connection) -> None:
    if connection.scalar(text("SELECT current_setting('server_version_num')::int < :n"), {"n": OLDEST}):
        version = connection.scalar(text("SELECT current_setting('server_version')"))
        raise Failed(f"This is Postgres {version}: Marquee wants {OLDEST // 10_000} or newer.")


def _make_readers(connection: Connection, passwords: Mapping[str, str]) -> list[str]:
    shut = make_role(connection, ANALYST, passwords.get(ANALYST))
    make_role(connection, VIEWS, None)
    _settle(
        connection,
        f"pg_has_role('{OWNER}', '{VIEWS}', 'SET') AND NOT pg_has_role('{OWNER}', '{VIEWS}', 'USAGE')",
        f"GRANT {VIEWS} TO {OWNER} WITH SET TRUE, INHERIT FALSE",
    )
    said = []
    if ANALYST not in passwords:
        said += [f"{ANALYST} {'can no longer' if shut else 'cannot'} log in: there is no ANALYST_PASSWORD."]
    if BACKUP in passwords:
        _make_backup(connection, passwords[BACKUP])
    elif connection.scalar(text(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{BACKUP}'")):
        still = f"{BACKUP} can still log in, though there is no BACKUP_PASSWORD"
        said += [f"{still}: a superuser ends that with `ALTER ROLE {BACKUP} NOLOGIN PASSWORD NULL`."]
    return said


def _make_backup(connection: Connection, password: str) -> None:
    try:
        make_role(connection, BACKUP, password)
        member = f"pg_has_role('{BACKUP}', 'pg_read_all_data', 'USAGE')"
        if not connection.scalar(text(f"SELECT {member}")):
            _run(connection, f"GRANT pg_read_all_data TO {BACKUP}")
    except InsufficientPrivilege as error:
        raise Refused(
            f"{_me(connection)} may not make {BACKUP}, which reads past row-level security: run"
            " `marquee roles` as a superuser, or leave BACKUP_PASSWORD out and use the service's backups."
        ) from error


def make_role(connection: Connection, role: str, password: str | None) -> bool:
    """Whether it could log in and no longer can; without a password nobody logs in as it."""
    rights = text("SELECT rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = :role")
    known = connection.execute(rights, {"role": role}).first()
    if known and (known.rolsuper or (known.rolbypassrls and role != BACKUP)):
        raise BadInput(f"The role {role} is a superuser or bypasses row security: it must not serve Marquee.")
    if known and password is None and not known.rolcanlogin:
        return False
    verb = "ALTER" if known else "CREATE"
    past = "BYPASSRLS " if role == BACKUP and not (known and known.rolbypassrls) else ""
    words: sql.Composable = sql.SQL("NOLOGIN PASSWORD NULL")
    if password is not None:
        # Only the verifier is sent: the server may log the statement.
        verifier = encrypt_password(password, role, scope=_driver(connection), algorithm="scram-sha-256")
        words = sql.SQL("LOGIN {}PASSWORD {}").format(sql.SQL(past), sql.Literal(verifier))
    statement = sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(role), words)
    _change_role(connection, role, statement)
    return bool(known and password is None)


def _change_role(connection: Connection, role: str, statement: sql.Composed) -> None:
    """A role that another administrator made is changed by whoever has the admin option on it."""
    theirs = text("""
        SELECT NOT pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')
            AND (SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user)
        FROM pg_roles WHERE rolname = :role
    """)
    if connection.scalar(theirs, {"role": role}):
        raise Refused(
            f"{_me(connection)} may not change the role {role}, which somebody else made. Let a superuser run"
            f' `GRANT {role} TO "{_me(connection)}" WITH ADMIN OPTION`, then run `marquee roles` again.'
        )
    _run(connection, statement)


def _open_database(connection: Connection, roles: Mapping[str, tuple[str, ...]]) -> None:
    """To these roles and no others; a new database lets everybody in."""
    name = str(connection.scalar(text("SELECT current_database()")))
    database = sql.Identifier(name).as_string(_driver(connection))
    owned = f'ALTER DATABASE {database} OWNER TO "{_me(connection)}"'  # who is no owner would be shut out too
    shut = f"NOT ({_LETS_ALL_IN.format(name='current_database()')})"
    _settle(connection, shut, f"REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC", owned)
    for role, rights in roles.items():
        held = (f"has_database_privilege('{role}', current_database(), '{right}')" for right in rights)
        grant = f"GRANT {', '.join(rights)} ON DATABASE {database} TO {role}"
        _settle(connection, " AND ".join(held), grant, owned)
    there = "EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')"
    _settle(connection, there, "CREATE EXTENSION vector")
    for role, rights in _ON_PUBLIC.items():
        held = (f"has_schema_privilege('{role}', 'public', '{right}')" for right in rights)
        _settle(connection, " AND ".join(held), f"GRANT {', '.join(rights)} ON SCHEMA public TO {role}")


_LETS_ALL_IN = """SELECT EXISTS (
    SELECT FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) rights
    WHERE datname = {name} AND grantee = 0 AND privilege_type IN ('CONNECT', 'TEMPORARY'))"""


def own_database(admin: Engine, name: str, password: str) -> None:
    """A database for somebody else, on the same server: its owner, of the same name, sees no other."""
    with _alone(admin) as connection:
        make_role(connection, name, password)
        role = f'"{name}"'
        _settle(
            connection,
            f"pg_has_role('{name}', 'SET')",
            f"GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE",
        )
        there = f"EXISTS (SELECT FROM pg_database WHERE datname = '{name}')"
        _settle(connection, there, f"CREATE DATABASE {role} OWNER {role}")
        owned = f"EXISTS (SELECT FROM pg_database WHERE datname = '{name}' AND datdba = '{name}'::regrole)"
        _settle(connection, owned, f"ALTER DATABASE {role} OWNER TO {role}")
        if connection.scalar(text(_LETS_ALL_IN.format(name=f"'{name}'"))):
            _run(connection, f"SET ROLE {role}")
            _run(connection, f"REVOKE CONNECT, TEMPORARY ON DATABASE {role} FROM PUBLIC")
            _run(connection, "RESET ROLE")


@contextmanager
def _alone(admin: Engine) -> Iterator[Connection]:
    """Each statement counts by itself: CREATE DATABASE allows no transaction, and what a superuser must run
    may need a role that was made before."""
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            _take_turn(connection)
            yield connection
        finally:
            connection.invalidate()  # whatever state it is in, the lock ends with the session


def _take_turn(connection: Connection) -> None:
    try:
        _run(connection, "SELECT pg_advisory_lock(hashtext('marquee.roles'))")
    except LockNotAvailable as error:
        raise Busy("Another `marquee roles` is at work in this database, and does not end.") from error


def _settle(connection: Connection, settled: str, statement: str, remedy: str | None = None) -> None:
    """Do it unless it is so; who may not do it is told what to run, and as whom."""
    question = text(f"SELECT {settled}")
    if connection.scalar(question):
        return
    try:
        _run(connection, statement)
    except InsufficientPrivilege as error:
        raise _for_a_superuser(connection, remedy or statement, _first_line(error)) from error
    except FeatureNotSupported as error:
        raise Failed(f"This Postgres comes without pgvector: {_first_line(error)}.") from error
    if not connection.scalar(question):  # where all that Postgres does is warn
        raise _for_a_superuser(connection, remedy or statement, "its rights do not reach so far")


def _for_a_superuser(connection: Connection, statement: str, reason: str) -> Refused:
    return Refused(
        f"{_me(connection)} may not do this: {reason}. Let a superuser run `{statement}` in the database"
        f" {_driver(connection).info.dbname}, then run `marquee roles` again."
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _me(connection: Connection) -> str:
    return str(_driver(connection).info.user)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _run(connection: Connection, statement: str | sql.Composed) -> None:
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    cursor.close()


def url_for(admin_url: str, role: str, password: str) -> str:
    """The same database, as another role."""
    url = make_url(admin_url).set(username=role, password=password)
    return url.render_as_string(hide_password=False)
