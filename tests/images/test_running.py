"""The built images, started as the chart starts them: read-only root, no capabilities, a memory limit."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from secrets import token_hex

import httpx
import pytest

from tests.images.conftest import PGDATA, Platform, Postgres
from tests.images.engine import Container, Engine

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

DRAIN_S = 4
WORKERS = 4
DAY = "2026-01-31"
STARTER = "/opt/venv/lib/python3.*/site-packages/recommender/starter/movies.csv"
ASKED = {"history": [{"title": "The Matrix (1999)"}], "k": 3}
IN_CLUSTER = {
    "MARQUEE_RUNNER": "kubernetes",
    "MARQUEE_IMAGE": "localhost/marquee:1",
    "MARQUEE_NAMESPACE": "marquee",
    "MARQUEE_INSTANCE": "marquee",
    "MARQUEE_SERVICE_ACCOUNT": "marquee-pipeline",
    "MARQUEE_CONFIGMAP": "marquee-pipeline",
    "MARQUEE_SECRET": "marquee",
}


def signed_in(http: httpx.Client) -> dict[str, str]:
    name = f"kites-{token_hex(4)}"
    who = {"username": name, "password": "kites over the harbour"}
    new = who | {"name": "Kites", "email": f"{name}@example.org"}
    assert http.post("/create-client", json=new).status_code == 201
    return {"Authorization": f"Bearer {http.post('/token', data=who).json()['access_token']}"}


# -- postgres


def test_postgres_makes_its_database_once(engine: Engine, volume: str) -> None:
    postgres = Postgres(engine, volume)
    with postgres.started() as container:
        container.until(lambda: postgres.answers(container))
        postgres.ask(container, "CREATE EXTENSION vector")
        postgres.ask(container, "CREATE TABLE kept AS SELECT '[1,2]'::vector AS it")
        container.signal("INT")
        assert container.wait(30) == 0
    with postgres.started() as container:
        container.until(lambda: postgres.answers(container))
        assert postgres.ask(container, "SELECT it FROM kept") == "[1,2]"
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'marquee'"
        assert postgres.ask(container, locale) == "bC.UTF-8"
        nobody_trusted = "SELECT bool_and(auth_method = 'scram-sha-256') FROM pg_hba_file_rules"
        assert postgres.ask(container, nobody_trusted) == "t"


def test_a_first_start_that_is_killed_begins_anew(engine: Engine, volume: str) -> None:
    postgres = Postgres(engine, volume)
    with postgres.started() as container:
        half = ("sh", "-c", f"test -s {PGDATA}.unfinished/postgresql.conf")
        container.until(lambda: container.inside(*half).returncode == 0)
        container.signal("KILL")
        container.wait(30)
    with postgres.started() as container:
        container.until(lambda: postgres.answers(container))
        assert postgres.ask(container, "SELECT 1") == "1"
        assert container.inside("ls", f"{PGDATA}.unfinished").returncode != 0


def test_data_of_another_major_version_are_refused(engine: Engine, volume: str) -> None:
    mount = ("--volume", f"{volume}:/var/lib/postgresql")
    older = f"mkdir -p {PGDATA} && echo 17 > {PGDATA}/PG_VERSION"
    assert engine.run("postgres", "sh", "-c", older, more=mount).returncode == 0
    refused = engine.run("postgres", "postgres", more=mount)
    assert refused.returncode == 1
    assert "were written by Postgres 17 and this is Postgres 18" in refused.stderr


def test_a_new_server_without_a_password_is_refused(engine: Engine, volume: str) -> None:
    refused = engine.run("postgres", more=("--volume", f"{volume}:/var/lib/postgresql"))
    assert refused.returncode == 1
    assert "POSTGRES_PASSWORD_FILE" in refused.stderr


def test_a_client_that_stays_does_not_keep_postgres_from_ending(engine: Engine, volume: str) -> None:
    postgres = Postgres(engine, volume)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    with postgres.started() as container, ThreadPoolExecutor(1) as pool:
        container.until(lambda: postgres.answers(container))
        pool.submit(postgres.ask, container, "SELECT pg_sleep(60)")
        container.until(lambda: postgres.ask(container, sleeping) == "1")
        began = time.monotonic()
        container.signal("INT")
        assert container.wait(30) == 0
        assert time.monotonic() - began < 10


def test_the_backups_user_has_the_programs_of_postgres(platform: Platform) -> None:
    """Who is no user of the image: its dump is read by a container of the other image."""
    postgres = platform.postgres
    dump = (
        f"pg_dump -Fc -f /tmp/it '{postgres.url()}' && pg_restore --list /tmp/it | grep -c 'TABLE DATA'"
        " && sha256sum /tmp/it"
    )
    done = platform.engine.run(
        *("postgres", "sh", "-c", dump), more=("--user", "10001:10001"), env={"PGPASSWORD": postgres.password}
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 5


# -- marquee


def test_a_day_becomes_a_model_that_the_api_serves(platform: Platform) -> None:
    files = f"--movies {STARTER} --out /var/lib/marquee/data/simulation_data"
    day = f"marquee-simulate day --day {DAY} --client viewers --source starter --viewers 300 {files}"
    new = ("viewers", "--no-password", "--name", "Viewers", "--email", "viewers@example.org")
    platform.run("marquee_owner", "marquee", "clients", "add", *new)
    platform.run("marquee_pipeline", "sh", "-c", day)
    for verb in ("fetch", "process", "load", "train"):
        platform.run("marquee_pipeline", "marquee", verb, "--day", DAY)
    for verb in ("evaluate", "publish", "refold"):
        platform.run("marquee_pipeline", "marquee", verb)
    with platform.api() as (container, http):
        answer = http.post("/recommendations", json=ASKED, headers=signed_in(http))
        assert (answer.status_code, answer.json()["source"]) == (200, "model"), answer.text
        assert not [line for line in container.log().splitlines() if "ERROR" in line]


@dataclass
class Load:
    """Clients that keep asking, each over one connection for as long as it is left open."""

    address: httpx.URL
    token: dict[str, str]
    end: float = float("inf")
    statuses: list[int] = field(default_factory=list)

    def ask(self) -> None:
        with httpx.Client(base_url=self.address, headers=self.token, trust_env=False) as http:
            while time.monotonic() < self.end:
                self.statuses.append(http.post("/recommendations", json=ASKED).status_code)


def test_no_request_fails_when_the_api_is_told_to_stop_under_load(platform: Platform) -> None:
    with platform.api(DRAIN_S=str(DRAIN_S)) as (container, http), ThreadPoolExecutor(WORKERS) as pool:
        load = Load(http.base_url, signed_in(http))
        asking = [pool.submit(load.ask) for _ in range(WORKERS)]
        container.until(lambda: len(load.statuses) >= 10 * WORKERS)
        before, told = len(load.statuses), time.monotonic()
        container.signal("TERM")
        load.end = told + DRAIN_S / 2
        for each in asking:
            each.result()
        assert container.wait(60) == 0, container.log()
        assert time.monotonic() - told < DRAIN_S + 10
    assert set(load.statuses) == {200}
    assert len(load.statuses) > before


def test_a_verb_ends_when_it_is_told_to(platform: Platform) -> None:
    """The first process of a container hears no signal that it has not asked for."""
    with platform.engine.started(
        *("marquee", "marquee", "roles", "--wait", "300"),
        env=platform.env("postgres") | {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/marquee"},
    ) as container:
        container.until(lambda: container.log() != "")
        container.signal("TERM")
        assert container.wait(10) != 0


# -- airflow


def test_airflow_migrates_its_database_and_finds_both_dags(platform: Platform) -> None:
    password = platform.passwords["airflow"]
    url = platform.postgres.url("airflow", "airflow").replace("airflow@", f"airflow:{password}@")
    verbs = (
        "db migrate",
        "db check-migrations",
        "dags reserialize",
        "dags list -o plain",
        "dags list-import-errors",
    )
    listed = " && ".join(f"airflow {verb}" for verb in verbs)
    done = platform.engine.run(
        *("airflow", "bash", "-c", listed),
        more=("--memory", "2g", "--tmpfs", "/opt/airflow/logs", "--tmpfs", "/home/airflow"),
        env=IN_CLUSTER | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"inject-data", "train-model"} <= {line.split()[0] for line in done.stdout.splitlines() if line}
    assert "No data found" in done.stdout


def test_the_entrypoint_takes_words_for_airflow_and_other_programs(engine: Engine) -> None:
    for words in (["version"], ["airflow", "version"], ["bash", "-c", "exec /entrypoint airflow version"]):
        done = engine.run("airflow", *words, more=("--tmpfs", "/opt/airflow/logs"))
        assert (done.returncode, done.stdout.split()[-1].count(".")) == (0, 2), done.stderr


def test_what_a_dead_worker_leaves_is_buried(engine: Engine) -> None:
    orphan = "bash -c 'sleep 0.1 &'; exec tail -f /dev/null"
    with engine.started("airflow", "bash", "-c", orphan) as container:
        container.until(lambda: "tail" in (names := programs(container)) and "sleep" not in names)
        container.signal("TERM")
        assert container.wait(10) == 143


def programs(container: Container) -> list[str]:
    """The dead that nobody has buried are among them."""
    return container.inside("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
