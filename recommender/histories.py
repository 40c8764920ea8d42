"""What the last weeks were like, for a page that people read: models, days, drift, jobs and spread.

Sums over all clients, and nothing that a person wrote: a reason for a publication may name somebody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

MODELS, DAYS = 30, 28
Rows = Sequence[Mapping[str, Any]]
_MODELS = f"""
    SELECT version, status, day::text, extract(epoch FROM trained_at)::float AS trained_at,
        version IS NOT DISTINCT FROM (SELECT champion FROM serving) AS champion,
        (metrics #>> '{{candidate,strong,all,ndcg,mean}}')::float AS ndcg,
        (metrics #>> '{{popularity,strong,all,ndcg,mean}}')::float AS popularity,
        (verdict #>> '{{figures,coverage}}')::float AS coverage,
        (verdict #>> '{{figures,cases}}')::int AS cases,
        verdict ->> 'outcome' AS outcome, verdict -> 'reasons' AS reasons,
        (SELECT kind FROM publications p WHERE p.version = models.version
         ORDER BY publication_id DESC LIMIT 1) AS published
    FROM (SELECT * FROM models ORDER BY trained_at DESC, version LIMIT {MODELS}) models
    ORDER BY models.trained_at DESC, version
"""
_DAYS = """
    SELECT day::text, extract(epoch FROM finished_at)::float AS finished_at, unfinished,
        read, loaded, unchanged, superseded, rejected
    FROM figures.last_days ORDER BY last_days.day DESC
"""
_DRIFT = f"""
    SELECT DISTINCT ON (measure, drift.day) measure, drift.day::text, version, psi, js, samples
    FROM drift JOIN models USING (version) WHERE drift.day > (SELECT max(day) FROM drift) - {DAYS}
    ORDER BY measure, drift.day DESC,
        version IS NOT DISTINCT FROM (SELECT champion FROM serving) DESC, trained_at DESC
"""
_JOBS = """
    SELECT DISTINCT ON (verb) verb, outcome, day::text, extract(epoch FROM finished_at)::float AS finished_at,
        seconds, extract(epoch FROM max(finished_at) FILTER (WHERE outcome = 'ok')
                                    OVER (PARTITION BY verb))::float AS ok_at
    FROM runs ORDER BY verb, runs.finished_at DESC
"""
_SPREAD = f"""
    SELECT day::text, lists, movies::float / nullif(catalogue, 0) AS coverage, gini
    FROM exposure ORDER BY exposure.day DESC LIMIT {DAYS}
"""
_POSTGRES = "SELECT current_setting('server_version') AS version"
QUESTIONS = {
    "models": _MODELS,
    "days": _DAYS,
    "drift": _DRIFT,
    "jobs": _JOBS,
    "spread": _SPREAD,
    "postgres": _POSTGRES,
}


def read_histories(connection: Connection) -> Mapping[str, Rows | None]:
    """None of what an older schema has not."""
    return {name: _answer(connection, question) for name, question in QUESTIONS.items()}


def _answer(connection: Connection, question: str) -> Rows | None:
    try:
        with connection.begin_nested():
            return [dict(row) for row in connection.exec_driver_sql(question).mappings()]
    except ProgrammingError:
        return None
