"""Figures that Postgres holds, as the API's role reads them: sums over clients, whatever the tables hold."""

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from recommender.figures import Asking
from recommender.local.urls import PerRole

Told = dict[tuple[str, ...], float]
METRICS = '{"candidate": {"strong": {"all": {"ndcg": {"mean": %s}}}}, "popularity": {"strong": {"all": {"ndcg": {"mean": 0.1}}}}}'  # noqa: E501


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def told(engine: Engine, asking: Asking | None = None) -> dict[str, Told]:
    with engine.begin() as connection:
        samples = (asking or Asking())(connection)
    found: dict[str, Told] = {}
    for sample in samples:
        found.setdefault(sample.metric, {})[sample.labels] = sample.value
    return found


@pytest.fixture
def api(engines: PerRole[Engine]) -> Engine:
    execute(
        engines.admin,
        "SELECT register_client('acme', 'Acme', 'a@example.org', 'h')",
        "SELECT register_client('bolt', 'Bolt', 'b@example.org', 'h')",
    )
    return engines.api


def test_an_empty_platform_tells_no_more_than_it_knows(api: Engine) -> None:
    found = told(api)
    assert found.pop("marquee_database_bytes")[()] > 1_000_000  # a schema without rows
    assert found == {"marquee_gate_refusals_in_a_row": {(): 0}}


DAY = """
    INSERT INTO injections (client_id, source, file, sha256, day, rows_read, rows_rejected, finished_at)
    SELECT client_id, 'day', '{day}', 'x', '{day}', 10, 2, now() FROM clients
"""
REJECTS = """
    INSERT INTO rejects (injection_id, client_id, file, line, rule, row)
    SELECT injection_id, client_id, file, line, 'bad_rating', 'x' FROM injections, generate_series(1, 2) line
"""


def test_the_newest_day_is_summed_over_all_clients(api: Engine, engines: PerRole[Engine]) -> None:
    execute(engines.admin, DAY.format(day="1970-01-02"), DAY.format(day="1970-01-03"), REJECTS)
    found = told(api)
    assert found["marquee_newest_day_timestamp_seconds"] == {("loaded",): 2 * 86400}
    rows = found["marquee_day_rows"]
    assert (rows["read",], rows["rejected",], rows["loaded",]) == (20, 4, 0)
    assert found["marquee_day_rejected_rows"] == {("bad_rating",): 4}


def test_rejects_are_counted_again_only_after_a_load(api: Engine, engines: PerRole[Engine]) -> None:
    execute(engines.admin, DAY.format(day="2026-01-02"), REJECTS)
    asking, sent = Asking(), list[str]()
    told(api, asking)

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(api, "before_cursor_execute", note)
    assert told(api, asking)["marquee_day_rejected_rows"] == {("bad_rating",): 4}
    assert not any("newest_day_rejects" in statement for statement in sent)
    execute(engines.admin, "DELETE FROM rejects WHERE line = 1", "UPDATE injections SET finished_at = now()")
    assert told(api, asking)["marquee_day_rejected_rows"] == {("bad_rating",): 2}


MODEL = """
    INSERT INTO models (version, card, artifact_url, trained_at, day, status, metrics, verdict) VALUES
    ('{version}', '{{}}', 'x', '{at}', '{at}', '{status}', '{metrics}', '{{"outcome": "{outcome}"}}')
"""


def model(version: str, at: str, outcome: str, ndcg: float, status: str = "candidate") -> str:
    return MODEL.format(version=version, at=at, outcome=outcome, status=status, metrics=METRICS % ndcg)


def test_champion_and_candidate_are_told_apart_by_their_roles(api: Engine, engines: PerRole[Engine]) -> None:
    execute(
        engines.admin,
        model("v1", "1970-01-01Z", "passed", 0.3, "published"),
        "UPDATE serving SET champion = 'v1', champion_since = '1970-01-02Z'",
    )
    assert told(api)["marquee_model_ndcg"] == {("champion",): 0.3}
    execute(engines.admin, *(model(f"v{n}", f"1970-01-0{n}Z", "refused", n / 10) for n in (2, 4)))
    found = told(api)
    assert found["marquee_model_ndcg"] == {("champion",): 0.3, ("candidate",): 0.4}
    assert found["marquee_model_popularity_ndcg"] == {("champion",): 0.1, ("candidate",): 0.1}
    assert found["marquee_model_trained_timestamp_seconds"] == {("champion",): 0, ("candidate",): 3 * 86400}
    assert found["marquee_champion_since_timestamp_seconds"] == {(): 86400}
    assert found["marquee_gate_refusals_in_a_row"] == {(): 2}


def test_a_candidate_that_passes_ends_the_row_of_refusals(api: Engine, engines: PerRole[Engine]) -> None:
    refused = (model(f"v{n}", f"2026-01-0{n}Z", "refused", 0.2) for n in (1, 2, 4))
    execute(engines.admin, *refused, model("v3", "2026-01-03Z", "passed", 0.2))
    assert told(api)["marquee_gate_refusals_in_a_row"] == {(): 1}


def test_only_the_champions_drift_is_told(api: Engine, engines: PerRole[Engine]) -> None:
    execute(
        engines.admin,
        model("v1", "2026-01-01Z", "passed", 0.3),
        model("v2", "2026-01-02Z", "passed", 0.3),
        "UPDATE serving SET champion = 'v2'",
        "INSERT INTO drift VALUES ('2026-01-05', 'v1', 'stars', 0.9, 0.9, 5000)",
        "INSERT INTO drift VALUES ('2026-01-03', 'v2', 'stars', 0.3, 0.02, 5000)",
        "INSERT INTO drift VALUES ('2026-01-04', 'v2', 'taste 1', 0.1, 0.01, 700)",
    )
    found = told(api)
    assert found["marquee_drift_psi"] == {("taste 1",): 0.1}
    assert found["marquee_drift_samples"] == {("taste 1",): 700}


def test_of_each_verb_the_last_run_of_each_outcome_is_told(api: Engine, engines: PerRole[Engine]) -> None:
    runs = [
        ("load", 10, "ok", 1.5),
        ("load", 20, "ok", 2.5),
        ("load", 15, "failed", 9),
        ("train", 5, "skipped", 0),
    ]
    for verb, at, outcome, seconds in runs:
        execute(
            engines.admin,
            "INSERT INTO runs (verb, started_at, finished_at, outcome, seconds)"
            f" VALUES ('{verb}', to_timestamp(0), to_timestamp({at}), '{outcome}', {seconds})",
        )
    found = told(api)
    assert found["marquee_job_finished_timestamp_seconds"] == {
        ("load", "ok"): 20,
        ("load", "failed"): 15,
        ("train", "skipped"): 5,
    }
    assert found["marquee_job_seconds"]["load", "ok"] == 2.5


def test_rows_are_estimated_once_postgres_has_looked(api: Engine, engines: PerRole[Engine]) -> None:
    execute(engines.admin, "INSERT INTO users (client_id) SELECT client_id FROM clients", "ANALYZE users")
    assert told(api)["marquee_table_rows"] == {("users",): 2}


@pytest.fixture
def as_api(api: Engine, engines: PerRole[Engine]) -> Connection:
    execute(engines.admin, DAY.format(day="2026-01-02"), REJECTS)
    return api.connect()


def test_the_api_reads_the_sums_and_not_the_rows(as_api: Connection) -> None:
    with as_api as connection:
        assert connection.scalar(text("SELECT count(*) FROM rejects")) == 0
        assert connection.scalar(text("SELECT rows FROM figures.newest_day_rejects")) == 4
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text("SELECT * FROM injections"))


@pytest.mark.parametrize("statement", ["INSERT INTO runs DEFAULT VALUES", "DELETE FROM exposure"])
def test_the_api_only_reads_what_verbs_write(as_api: Connection, statement: str) -> None:
    with as_api as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text(statement))
