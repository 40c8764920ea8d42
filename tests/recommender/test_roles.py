"""What each role may, on a server of ours and on one where the administrator is no superuser."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from recommender.database import open_engine
from recommender.errors import BadInput, Busy, Failed, Refused
from recommender.local.postgres import Server
from recommender.roles import AIRFLOW, ANALYST, API, BACKUP, OWNER, PIPELINE, make_roles, url_for
from recommender.schema import migrate
from tests.conftest import PASSWORDS

OTHERS = {AIRFLOW: "airflow in these tests", BACKUP: "backup in these tests"}
EVERYBODY = {**PASSWORDS, **OTHERS}
NO_ANALYST = {role: password for role, password in PASSWORDS.items() if role != ANALYST}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Roles belong to a whole server, so these tests have one of their own."""
    folder = tmp_path_factory.mktemp("roles")
    server = Server(folder / "postgres", "secret", folder / "log", {"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own(whole: Server) -> Iterator[Server]:
    whole.make_database("marquee")
    yield whole
    engine = create_engine(whole.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for database in ("marquee", AIRFLOW):
            connection.execute(text(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
        theirs = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'"
        for role in connection.scalars(text(f"{theirs} ORDER BY rolname = 'dba'")).all():
            connection.execute(text(f"DROP ROLE {role}"))
    engine.dispose()


@pytest.fixture
def admin(own: Server) -> Iterator[Engine]:
    engine = create_engine(own.url("marquee"))
    yield engine
    engine.dispose()


def rights(admin: Engine) -> dict[str, object]:
    """All that may differ between one run and the next, but for passwords."""
    queries = {
        "roles": """SELECT rolname, rolsuper, rolcanlogin, rolbypassrls, rolcreatedb, rolcreaterole
            FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1""",
        "members": """SELECT CAST(roleid AS regrole), CAST(member AS regrole), admin_option, inherit_option,
            set_option FROM pg_auth_members ORDER BY roleid, member""",
        "databases": "SELECT datname, datdba, CAST(datacl AS text) FROM pg_database ORDER BY 1",
        "schema": "SELECT CAST(nspacl AS text) FROM pg_namespace WHERE nspname = 'public'",
    }
    with admin.connect() as connection:
        return {name: connection.execute(text(query)).all() for name, query in queries.items()}


def opens(server: Server, role: str, database: str, password: str) -> bool:
    url = make_url(url_for(server.url(database), role, password)).set(drivername="postgresql")
    try:
        psycopg2.connect(url.render_as_string(hide_password=False)).close()
    except psycopg2.OperationalError as error:
        assert "permission denied" in str(error) or "authentication failed" in str(error), error
        return False
    return True


def test_twice_changes_nothing_and_two_at_once_are_safe(own: Server, admin: Engine) -> None:
    engines = [create_engine(own.url("marquee")) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(lambda engine: make_roles(engine, EVERYBODY), engines))
    roles = "marquee_owner, marquee_api, marquee_pipeline, marquee_analyst and marquee_backup"
    own_one = "The database airflow is there; the role airflow owns it."
    assert told == [[f"The roles {roles} are there.", own_one]] * 4
    first = rights(admin)
    make_roles(admin, EVERYBODY)
    assert rights(admin) == first
    for engine in engines:
        engine.dispose()


def test_each_role_opens_its_own_database_and_no_other(own: Server, admin: Engine) -> None:
    make_roles(admin, EVERYBODY)
    inside = {role for role, password in EVERYBODY.items() if opens(own, role, "marquee", password)}
    assert inside == {OWNER, API, PIPELINE, ANALYST, BACKUP}
    assert {role for role, password in EVERYBODY.items() if opens(own, role, AIRFLOW, password)} == {AIRFLOW}


def test_airflow_may_do_in_its_database_what_it_needs(own: Server, admin: Engine) -> None:
    make_roles(admin, EVERYBODY)
    airflow = create_engine(url_for(own.url(AIRFLOW), AIRFLOW, OTHERS[AIRFLOW]))
    with airflow.begin() as connection:
        connection.execute(text("CREATE TABLE dag (id int)"))
        connection.execute(text("CREATE SCHEMA logs"))
    airflow.dispose()


def test_the_backup_reads_past_row_security_and_writes_nothing(own: Server, admin: Engine) -> None:
    make_roles(admin, EVERYBODY)
    with admin.connect() as connection:
        told = text(
            """
            SELECT rolcanlogin, rolbypassrls, rolsuper, rolcreatedb, rolcreaterole, rolreplication,
                ARRAY(SELECT CAST(roleid AS regrole)::text FROM pg_auth_members WHERE member = pg_roles.oid)
            FROM pg_roles WHERE rolname = 'marquee_backup'
        """.replace("::", r"\:\:")
        )
        row = tuple(connection.execute(told).one())
    assert row == (True, True, False, False, False, False, ["pg_read_all_data"])


def test_roles_without_a_password_are_shut_or_not_there(own: Server, admin: Engine) -> None:
    told = make_roles(admin, NO_ANALYST)
    assert told == [
        "The roles marquee_owner, marquee_api, marquee_pipeline and marquee_analyst are there.",
        "marquee_analyst cannot log in: there is no ANALYST_PASSWORD.",
    ]
    with admin.connect() as connection:
        names = text("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1")
        found = connection.scalars(names).all()
    assert found == [
        "marquee_analyst",
        "marquee_api",
        "marquee_owner",
        "marquee_pipeline",
        "marquee_views",
        "postgres",
    ]


def test_an_analyst_who_is_shut_out_is_told_of(own: Server, admin: Engine) -> None:
    make_roles(admin, PASSWORDS)
    assert opens(own, ANALYST, "marquee", PASSWORDS[ANALYST])
    shut = "marquee_analyst can no longer log in: there is no ANALYST_PASSWORD."
    assert make_roles(admin, NO_ANALYST)[1:] == [shut]
    assert not opens(own, ANALYST, "marquee", PASSWORDS[ANALYST])
    assert make_roles(admin, NO_ANALYST)[1:] == [
        "marquee_analyst cannot log in: there is no ANALYST_PASSWORD."
    ]
    make_roles(admin, PASSWORDS)
    assert opens(own, ANALYST, "marquee", PASSWORDS[ANALYST])


def test_a_backup_role_that_lost_its_setting_is_left_and_told_of(own: Server, admin: Engine) -> None:
    make_roles(admin, {**PASSWORDS, BACKUP: OTHERS[BACKUP]})
    (told,) = make_roles(admin, PASSWORDS)[1:]
    assert told.startswith("marquee_backup can still log in, though there is no BACKUP_PASSWORD")
    assert opens(own, BACKUP, "marquee", OTHERS[BACKUP])
    superuser(admin, told.split("`")[1])
    assert make_roles(admin, PASSWORDS)[1:] == []
    assert not opens(own, BACKUP, "marquee", OTHERS[BACKUP])


def test_a_run_that_does_not_end_is_not_waited_for_forever(own: Server, admin: Engine) -> None:
    impatient = open_engine(own.url("marquee"), lock_timeout_s=0.1)
    with admin.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(hashtext('marquee.roles'))"))
        with pytest.raises(Busy, match="Another `marquee roles` is at work in this database"):
            make_roles(impatient, PASSWORDS)
    impatient.dispose()


@pytest.mark.parametrize("right", ["SUPERUSER", "BYPASSRLS"])
def test_a_role_that_is_above_row_security_is_refused(admin: Engine, own: Server, right: str) -> None:
    with admin.begin() as connection:
        connection.execute(text(f"CREATE ROLE marquee_analyst LOGIN {right}"))
    with pytest.raises(BadInput, match="The role marquee_analyst is a superuser or bypasses row security"):
        make_roles(admin, PASSWORDS)


# an administrator as managed services give one


@pytest.fixture
def managed(own: Server, admin: Engine) -> Iterator[Engine]:
    """May make roles and databases, owns the database, and is no superuser."""
    with admin.begin() as connection:
        connection.execute(text("CREATE ROLE dba LOGIN CREATEROLE CREATEDB PASSWORD 'of the service'"))
        connection.execute(text("ALTER DATABASE marquee OWNER TO dba"))
    engine = create_engine(url_for(own.url("marquee"), "dba", "of the service"))
    yield engine
    engine.dispose()


def without(password: str) -> dict[str, str]:
    return {role: given for role, given in EVERYBODY.items() if role != password}


def superuser(admin: Engine, statement: str) -> None:
    with admin.begin() as connection:
        connection.execute(text(statement))


def test_who_is_no_superuser_makes_all_but_the_extension_and_the_backup(
    own: Server, admin: Engine, managed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        Refused, match=r"dba may not do this.*`CREATE EXTENSION vector` in the database marquee"
    ):
        make_roles(managed, without(BACKUP))
    superuser(admin, "CREATE EXTENSION vector")
    for _ in range(2):
        assert make_roles(managed, without(BACKUP)) == make_roles(admin, without(BACKUP))
    inside = {
        role
        for role, password in EVERYBODY.items()
        if role != BACKUP and opens(own, role, "marquee", password)
    }
    assert inside == {OWNER, API, PIPELINE, ANALYST}
    assert opens(own, AIRFLOW, AIRFLOW, OTHERS[AIRFLOW])
    assert not opens(own, API, AIRFLOW, PASSWORDS[API])
    monkeypatch.setenv("DATABASE_URL", url_for(own.url("marquee"), OWNER, PASSWORDS[OWNER]))
    assert migrate() == "The schema is at its newest version."
    with pytest.raises(Refused, match=r"dba may not make marquee_backup.*leave BACKUP_PASSWORD out"):
        make_roles(managed, EVERYBODY)


def test_who_does_not_own_the_database_is_told_what_to_run_until_nothing_is_left(
    admin: Engine, managed: Engine
) -> None:
    superuser(admin, "ALTER DATABASE marquee OWNER TO postgres")
    done = list[str]()
    while True:
        try:
            make_roles(managed, without(BACKUP))
            break
        except Refused as refused:
            statement = str(refused).split("`")[1]
            assert statement not in done
            done.append(statement)
            superuser(admin, statement)
    assert done == ['ALTER DATABASE "marquee" OWNER TO "dba"', "CREATE EXTENSION vector"]


def test_a_role_that_somebody_else_made_is_changed_with_the_admin_option(
    admin: Engine, managed: Engine
) -> None:
    superuser(admin, "CREATE EXTENSION vector")
    superuser(admin, "CREATE ROLE marquee_owner LOGIN")
    with pytest.raises(Refused, match="dba may not change the role marquee_owner") as refused:
        make_roles(managed, without(BACKUP))
    superuser(admin, str(refused.value).split("`")[1])
    make_roles(managed, without(BACKUP))


def test_a_schema_that_waits_for_newer_roles_says_so(
    own: Server, admin: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when an operator upgrades with an administrator's verb of the older version."""
    make_roles(admin, PASSWORDS)
    monkeypatch.setenv("DATABASE_URL", url_for(own.url("marquee"), OWNER, PASSWORDS[OWNER]))
    migrate("0002")
    superuser(admin, "REVOKE marquee_views FROM marquee_owner")
    with pytest.raises(Failed, match="Run `marquee roles` of this version as an administrator first"):
        migrate()
    superuser(admin, "DROP OWNED BY marquee_views")
    superuser(admin, "DROP ROLE marquee_views")
    with pytest.raises(Failed, match=r'role "marquee_views" does not exist\. Run `marquee roles`'):
        migrate()
    make_roles(admin, PASSWORDS)
    assert migrate() == "The schema is at its newest version."
