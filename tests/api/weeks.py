"""Four weeks as they would stand in the tables: what days, trainings and verbs leave behind."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

DAYS = 28
MEASURES = ("genres", "length", "stars", "taste 1", "taste 2", "taste 3", "taste 4")
RULES = {"duplicate": 121, "unknown_movie": 64, "rating_off_scale": 17, "bad_timestamp": 5}
NIGHT = ("fetch", "process", "load", "snapshot", "count", "train", "evaluate", "publish", "refold", "drift")
REFUSED_BACK = (9, 17)  # days back whose candidates the gate refused

_MODEL = text("""
    INSERT INTO models (version, status, card, metrics, artifact_url, trained_at, verdict, day)
    VALUES (:version, :status, '{}', CAST(:metrics AS jsonb), '', :trained, CAST(:verdict AS jsonb), :day)
""")
_CHAMPION = text("""
    UPDATE models SET trained_at = :trained, day = :day, metrics = CAST(:metrics AS jsonb),
        verdict = CAST(:verdict AS jsonb) WHERE version = (SELECT champion FROM serving)
""")
_PUBLICATION = text("INSERT INTO publications (version, kind, published_at) VALUES (:version, 'gate', :at)")
_INJECTION = text("""
    INSERT INTO injections (client_id, source, file, sha256, day, rows_read, rows_loaded, rows_unchanged,
        rows_superseded, rows_rejected, started_at, finished_at)
    SELECT client_id, 'day', :file, '', :day, :read, :read - :rejected - 300, 180, 120, :rejected, :at, :at
    FROM clients ORDER BY client_id LIMIT 1 RETURNING injection_id
""")
_REJECTS = text("""
    INSERT INTO rejects (injection_id, client_id, external_id, file, line, rule, row)
    SELECT injection_id, client_id, :who, 'ratings.csv', line, :rule, :who
    FROM injections, generate_series(1, :rows) line WHERE injection_id = :injection
""")
_DRIFT = text("""
    INSERT INTO drift SELECT :day, champion, :measure, :psi, :psi / 10, :samples FROM serving
""")
_EXPOSURE = text("INSERT INTO exposure VALUES (:day, 24000, :movies, 1000, :gini)")
_RUN = text("""
    INSERT INTO runs (verb, day, started_at, finished_at, outcome, seconds)
    VALUES (:verb, :day, :at, :at, :outcome, :seconds)
""")


def plant(
    engine: Engine, until: date, *, refusals: int = 0, psi: float = 0.03, who: str = "viewer-17"
) -> None:
    """``until`` is the newest day, ``refusals`` how many of the last candidates the gate refused."""
    chance = random.Random(7)
    with engine.begin() as connection:
        for back in range(DAYS - 1, -1, -1):
            _day(connection, until - timedelta(back), back, chance, refusals, who)
            _differences(connection, until - timedelta(back), chance, psi if back < 3 else 0.03)


def _day(
    connection: Connection, day: date, back: int, chance: random.Random, refusals: int, who: str
) -> None:
    morning = datetime.combine(day + timedelta(1), time(7, 12), UTC)
    read = round(42_000 + 9_000 * (day.weekday() >= 5) + chance.gauss(0, 1500))
    rejected = sum(RULES.values()) if back == 0 else round(read * chance.uniform(0.003, 0.007))
    loaded = {"file": f"{day}.csv", "day": day, "read": read, "rejected": rejected, "at": morning}
    injection = connection.execute(_INJECTION, loaded).scalar_one()
    for line, (rule, rows) in enumerate(RULES.items() if back == 0 else ()):
        reject = {"rule": rule, "rows": rows, "injection": injection, "who": f"{who}-{line}"}
        connection.execute(_REJECTS, reject)
    refused = back < refusals or back in REFUSED_BACK
    trained = morning + timedelta(minutes=40)
    model = _judged(day, chance, refused=refused) | {"day": day, "trained": trained}
    if back == refusals:
        connection.execute(_CHAMPION, model)
    else:
        version = f"{chance.randrange(16**16):016x}"
        status = "refused" if refused else "published"
        connection.execute(_MODEL, model | {"version": version, "status": status})
        if not refused:
            connection.execute(_PUBLICATION, {"version": version, "at": trained})
    spread = {"day": day, "movies": round(610 + chance.gauss(0, 12)), "gini": 0.71 + chance.gauss(0, 0.008)}
    connection.execute(_EXPOSURE, spread)
    for run in _runs(day, morning, chance):
        connection.execute(_RUN, run)


def _judged(day: date, chance: random.Random, *, refused: bool) -> dict[str, Any]:
    ndcg = chance.gauss(0.196, 0.004) - (0.035 if refused else 0)
    popularity, coverage = chance.gauss(0.118, 0.003), chance.gauss(0.58, 0.01)
    mean = {who: {"strong": {"all": {"ndcg": {"mean": value}}}} for who, value in
            (("candidate", ndcg), ("popularity", popularity))}  # fmt: skip
    said = "worse" if refused else "better"
    reason = (
        f"NDCG@10 for 1204 held-out users is {ndcg:.3f}, the champion's 0.196: {ndcg - 0.196:+.3f} with a"
        f" standard error of 0.006 is {said} beyond noise."
    )
    verdict = {
        "outcome": "refused" if refused else "passed",
        "reasons": [reason] if refused else [reason, f"Its lists hold {coverage:.1%} of the catalogue."],
        "figures": {"coverage": coverage, "cases": 1204},
    }
    return {"metrics": json.dumps(mean), "verdict": json.dumps(verdict)}


def _differences(connection: Connection, day: date, chance: random.Random, psi: float) -> None:
    for measure in MEASURES:
        high = psi if measure in ("genres", "taste 1", "taste 2") else 0.03
        found = {
            "measure": measure,
            "psi": high * chance.uniform(0.8, 1.3),
            "samples": chance.randrange(9_000, 14_000),
        }
        connection.execute(_DRIFT, {"day": day} | found)


def _runs(day: date, morning: datetime, chance: random.Random) -> Iterator[dict[str, Any]]:
    for step, verb in enumerate(NIGHT):
        ended = morning + timedelta(minutes=4 * step)
        yield {"verb": verb, "day": day, "at": ended, "outcome": "ok", "seconds": chance.uniform(2, 90)}
    skipped = morning - timedelta(hours=3)
    yield {"verb": "recommend-all", "day": day, "at": skipped, "outcome": "skipped", "seconds": 0.4}
