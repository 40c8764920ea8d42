"""What an operator should look at now, as sentences, each with the part of the page and the runbook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SOME, MUCH = 0.1, 0.25  # of the population stability index, as recommender/learning/drift.py has them
ENOUGH = 1000  # samples
# The bounds of the alerts, in dashboards/rules.
ERRORS, SLOW = 0.001, 0.01  # shares of the requests that the objectives allow
FALLBACKS = 0.05  # share of the lists
LEAST = 10  # slow requests, or lists: of fewer a share says nothing
FAILURES = 3  # of threads; one is chance
REJECTS, REJECTED = 0.05, 100  # share of a day's rows, and rows
FULL = 0.8  # of DATABASE_LIMIT
REFUSALS = 2
DAY_S = 86400
STALE_S = 300  # figures, which are read twice a minute
DAY_LATE_S = 58 * 3600  # since the day began: yesterday's files are taken at seven
LISTS_LATE_S = 63 * 3600
FORGOTTEN_S = 14 * DAY_S  # an install that loads no days any more
MODEL_LATE_S = 7 * DAY_S
FAILED_S = 2 * DAY_S  # who ran a verb by hand knows by then
# Not fetch, which fails while files are on their way, and not what people run by hand.
NIGHT = {
    *("process", "load", "snapshot", "count", "train", "evaluate", "publish", "refold"),
    *("recommend-all", "drift", "tidy"),
}
RUNBOOKS = {
    "The database": "MarqueeDatabaseAway",
    "Model": "MarqueeModelLoadFails",
    "No model": "MarqueeNoModel",
}
Told = Mapping[str, Any]  # what /ops/figures tells


@dataclass(frozen=True, slots=True)
class Concern:
    sentence: str
    part: str
    runbook: str | None = None


def concerns(told: Told) -> Iterator[Concern]:
    yield from _missing(told["health"])
    if told["traffic"]:
        yield from _traffic(told["traffic"]["whole"])
        yield from _lists(told["traffic"]["whole"], told["health"]["champion"])
        yield from _threads(told["traffic"]["whole"])
    yield from _figures(told)
    if told["figures"]["read_at"] is not None:
        yield from _model(told)
        yield from _days(told)
        yield from _drift(told["drift"] or (), told["health"]["champion"])
        yield from _jobs(told)
        yield from _database(told["database"])


def _missing(health: Told) -> Iterator[Concern]:
    for sentence in health["missing"]:
        runbooks = (page for begin, page in RUNBOOKS.items() if sentence.startswith(begin))
        yield Concern(sentence, "now", next(runbooks, None))


def _traffic(whole: Told) -> Iterator[Concern]:
    requests, failed, awaited, slow = (whole[name] for name in ("all", "failed", "awaited", "slow"))
    if failed > ERRORS * requests:
        said = f"{failed:,.0f} of {requests:,.0f} requests of the last hour failed (5xx)."
        yield Concern(said, "traffic", "MarqueeErrorsBurnSlow")
    if slow > SLOW * awaited and slow >= LEAST:
        said = f"{slow:,.0f} of {awaited:,.0f} requests of the last hour took longer than 250 ms."
        yield Concern(said, "traffic", "MarqueeLatencyBurnSlow")


def _lists(whole: Told, champion: str | None) -> Iterator[Concern]:
    """Without a champion the model is missing, which is said of the process."""
    lists = whole["model"] + whole["preferences"] + whole["popular"]
    fallen = whole["no_model"] + whole["database_away"]
    if champion and fallen > FALLBACKS * lists and fallen >= LEAST:
        said = f"{fallen:,.0f} of {lists:,.0f} lists of the last hour were made without model or database."
        yield Concern(said, "traffic", "MarqueeFallbacks")


def _threads(whole: Told) -> Iterator[Concern]:
    if lost := whole["log_lost"]:
        said = f"{lost:,.0f} rows of the log of what was served were lost in the last hour."
        yield Concern(said, "database", "MarqueeServedLogLost")
    if (failures := whole["background_failures"]) >= FAILURES:
        said = f"Threads met {failures:,.0f} errors in the last hour that nobody foresaw."
        yield Concern(f"{said} The log has them.", "now", "MarqueeBackgroundFails")


def _figures(told: Told) -> Iterator[Concern]:
    read_at, troubled = told["figures"]["read_at"], told["figures"]["troubled"]
    if read_at is None and troubled:
        said = "Models, days, drift and jobs are not known: they could not be read from the database."
        yield Concern(said, "now", "MarqueeFiguresAbsent")
    elif read_at is not None and told["now"] - read_at > STALE_S:
        said = "Models, days, drift and jobs below are old: they could not be read for five minutes or more."
        yield Concern(said, "now", "MarqueeFiguresStale")


def _model(told: Told) -> Iterator[Concern]:
    if (refusals := told["refusals"] or 0) >= REFUSALS:
        said = f"The gate refused the last {refusals:.0f} models; the champion before them goes on serving."
        yield Concern(said, "models", "MarqueeGateRefusedTwice")
    if (trained := told["trained"]) and told["now"] - trained > MODEL_LATE_S:
        said = f"The model that serves was trained {(told['now'] - trained) / DAY_S:.0f} days ago."
        yield Concern(said, "models", "MarqueeModelStale")


def _days(told: Told) -> Iterator[Concern]:
    day = told["newest"]["loaded"]
    if day and DAY_LATE_S < told["now"] - day < FORGOTTEN_S:
        name = datetime.fromtimestamp(day, UTC).date()
        yield Concern(f"Yesterday is not loaded: the newest day is {name}.", "days", "MarqueeDayMissing")
    for newest in [day for day in told["days"] or () if day["finished_at"]][:1]:
        rejected, read = newest["rejected"], newest["read"]
        if rejected > REJECTS * read and rejected >= REJECTED:
            said = f"{rejected / max(read, rejected):.0%} of the rows of {newest['day']} were rejected."
            yield Concern(said, "days", "MarqueeRejectsHigh")


def _drift(measures: Any, champion: str | None) -> Iterator[Concern]:
    """Of the newest day only, and not against a champion of before."""
    now = max((each["day"] for each in measures), default=None), champion
    current = (each for each in measures if (each["day"], each["version"]) == now)
    if much := [each["measure"] for each in current if each["verdict"] == "much"]:
        said = f"Viewers differ much from those that the champion learned from: {', '.join(much)}."
        yield Concern(said, "drift", "MarqueeDrift")


def strength(psi: float, samples: int) -> str:
    if samples < ENOUGH:
        return "too few"
    return "much" if psi >= MUCH else "some" if psi >= SOME else "none"


def _jobs(told: Told) -> Iterator[Concern]:
    jobs = {job["verb"]: job for job in told["jobs"] or () if job["verb"] in NIGHT}
    recent = (job for job in jobs.values() if told["now"] - job["finished_at"] < FAILED_S)
    if failed := [job["verb"] for job in recent if job["outcome"] == "failed"]:
        yield Concern(f"The last run failed: {', '.join(failed)}.", "jobs", "MarqueeJobFailed")
    day, nightly = told["newest"]["lists"], jobs.get("recommend-all", {})
    asked_for = nightly.get("outcome") != "skipped"
    if day and asked_for and LISTS_LATE_S < told["now"] - day < FORGOTTEN_S:
        name = datetime.fromtimestamp(day, UTC).date()
        yield Concern(f"The newest nightly lists are of {name}.", "jobs", "MarqueeListsMissing")


def _database(database: Told) -> Iterator[Concern]:
    size, limit = database["bytes"], database["limit"]
    if size and limit and size > FULL * limit:
        yield Concern(f"The database is {size / limit:.0%} full.", "database", "MarqueeDatabaseFull")
