"""Figures of the platform that Postgres holds: questions, and what each column of an answer tells.

Every question is answered from small tables or the end of an index, whatever the number of ratings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Question:
    """Rows of labels and values. With ``unless`` asked again only when the answer to that is another."""

    sql: str
    labels: tuple[str, ...]
    tells: Mapping[str, tuple[str, str]]  # column: the metric and its sentence
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    metric: str
    labels: tuple[str, ...]
    value: float


_MODEL = """
    SELECT '{role}' AS role, extract(epoch FROM trained_at) AS trained,
        metrics #>> '{{candidate,strong,all,ndcg,mean}}' AS ndcg,
        metrics #>> '{{popularity,strong,all,ndcg,mean}}' AS popular,
        verdict #>> '{{figures,coverage}}' AS coverage, verdict #>> '{{figures,cases}}' AS cases
    FROM models
"""
_CHAMPION = _MODEL.format(role="champion") + "WHERE version = (SELECT champion FROM serving)"
_CANDIDATE = (
    _MODEL.format(role="candidate")
    + """
    WHERE version = (SELECT version FROM models ORDER BY trained_at DESC, version LIMIT 1)
        AND version IS DISTINCT FROM (SELECT champion FROM serving)
"""
)
_NEWEST_DAYS = """
    SELECT kind, extract(epoch FROM day) AS day FROM (VALUES
        ('loaded', (SELECT day FROM figures.newest_day)),
        ('trained', (SELECT max(day) FROM models)),
        ('champion', (SELECT day FROM models WHERE version = (SELECT champion FROM serving))),
        ('lists', (SELECT day FROM figures.newest_lists)),
        ('drift', (SELECT max(day) FROM drift)),
        ('exposure', (SELECT max(day) FROM exposure))) AS newest (kind, day)
"""
_REFUSALS = """
    SELECT count(*) AS refusals FROM models
    WHERE verdict ->> 'outcome' = 'refused' AND status <> 'published' AND trained_at > coalesce(
        (SELECT max(trained_at) FROM models WHERE verdict ->> 'outcome' = 'passed' OR status = 'published'),
        '-infinity')
"""
_ROWS = """
    SELECT outcome, rows FROM figures.newest_day, LATERAL (VALUES ('read', read), ('loaded', loaded),
        ('unchanged', unchanged), ('superseded', superseded), ('rejected', rejected)) AS told (outcome, rows)
"""
_DRIFT = """
    SELECT measure, psi, js, samples FROM drift
    WHERE (day, version) = (SELECT day, version FROM drift WHERE version = (SELECT champion FROM serving)
                            ORDER BY day DESC LIMIT 1)
"""
_EXPOSURE = """
    SELECT lists, movies::float / nullif(catalogue, 0) AS coverage, gini FROM exposure
    ORDER BY day DESC LIMIT 1
"""
_RUNS = """
    SELECT DISTINCT ON (verb, outcome) verb, outcome, extract(epoch FROM finished_at) AS finished, seconds
    FROM runs ORDER BY verb, outcome, finished_at DESC
"""
_SIZES = """
    SELECT what, reltuples AS rows FROM pg_class JOIN (VALUES ('users', 'users'::regclass),
        ('ratings', 'movies_users_rating'::regclass)) AS asked (what, id) ON oid = id
    WHERE reltuples >= 0
"""
QUESTIONS = (
    Question(
        f"{_CHAMPION} UNION ALL {_CANDIDATE}",
        ("role",),
        {
            "trained": ("marquee_model_trained_timestamp_seconds", "When the model was trained."),
            "ndcg": ("marquee_model_ndcg", "NDCG@10 over held-out users when it was judged."),
            "popular": ("marquee_model_popularity_ndcg", "NDCG@10 of popularity over the same users."),
            "coverage": ("marquee_model_coverage", "Share of the catalogue in the lists of those users."),
            "cases": ("marquee_model_cases", "Held-out users that it was judged on."),
        },
    ),
    Question(
        "SELECT extract(epoch FROM champion_since) AS since FROM serving",
        (),
        {"since": ("marquee_champion_since_timestamp_seconds", "When the champion became it.")},
    ),
    Question(
        _REFUSALS,
        (),
        {"refusals": ("marquee_gate_refusals_in_a_row", "Candidates refused since one passed.")},
    ),
    Question(
        _NEWEST_DAYS,
        ("kind",),
        {"day": ("marquee_newest_day_timestamp_seconds", "Begin (UTC) of the newest day, by what was done.")},
    ),
    Question(
        _ROWS,
        ("outcome",),
        {"rows": ("marquee_day_rows", "Rows of ratings of the newest day loaded, by what became of them.")},
    ),
    Question(
        "SELECT rule, rows FROM figures.newest_day_rejects",
        ("rule",),
        {"rows": ("marquee_day_rejected_rows", "Rows of the newest day that were refused, by rule.")},
        unless="SELECT day || ' ' || finished_at FROM figures.newest_day",
    ),
    Question(
        _DRIFT,
        ("measure",),
        {
            "psi": ("marquee_drift_psi", "Population stability index of the newest day compared."),
            "js": ("marquee_drift_js", "Jensen-Shannon divergence of that day, 0 to 1."),
            "samples": ("marquee_drift_samples", "Samples of that day; below 1000 drift says nothing."),
        },
    ),
    Question(
        _EXPOSURE,
        (),
        {
            "lists": ("marquee_exposure_lists", "Lists of the newest day summed up, at most a million."),
            "coverage": ("marquee_exposure_coverage", "Share of the catalogue that stood in one of them."),
            "gini": ("marquee_exposure_gini", "Inequality of how often movies were shown, 0 to 1."),
        },
    ),
    Question(
        _RUNS,
        ("verb", "outcome"),
        {
            "finished": ("marquee_job_finished_timestamp_seconds", "When a verb last ended so."),
            "seconds": ("marquee_job_seconds", "How long that run took."),
        },
    ),
    Question(
        _SIZES,
        ("table",),
        {"rows": ("marquee_table_rows", "Rows as Postgres estimates them; none before it has.")},
    ),
    Question(
        "SELECT pg_database_size(current_database()) AS bytes",
        (),
        {"bytes": ("marquee_database_bytes", "Size of the database on disk.")},
    ),
)


class Asking:
    """Asks all questions, and remembers the answers that need not be asked for again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, list[Sample]]] = {}

    def __call__(self, connection: Connection) -> list[Sample]:
        return [sample for question in QUESTIONS for sample in self._answer(connection, question)]

    def _answer(self, connection: Connection, question: Question) -> list[Sample]:
        if question.unless is None:
            return list(_samples(connection, question))
        state = connection.exec_driver_sql(question.unless).scalar()
        if question.sql not in self._known or self._known[question.sql][0] != state:
            self._known[question.sql] = state, list(_samples(connection, question))
        return self._known[question.sql][1]


def _samples(connection: Connection, question: Question) -> Iterator[Sample]:
    """A value that is not known is left out."""
    for row in connection.exec_driver_sql(question.sql).mappings():
        labels = tuple(str(value) for value in list(row.values())[: len(question.labels)])
        for column, (metric, _) in question.tells.items():
            if row[column] is not None:
                yield Sample(metric, labels, float(row[column]))
