"""A day's files and where they lie: one partition of incoming data, `YYYY-MM-DD`, in UTC.

simulation_data/DAY   what came in                raw/DAY              what was fetched
processed/DAY         cleaned, as Parquet         no_injected_data/DAY what could not be loaded
"""

import re
from datetime import UTC, date, datetime, timedelta

from recommender.errors import BadInput

INCOMING, RAW, PROCESSED, NOT_INJECTED = "simulation_data", "raw", "processed", "no_injected_data"
TRAINING = "training"  # what models were fitted on, by digest
MOVIES, RATINGS, MENDED = "movies.csv", "ratings.csv", "mended.csv"
REPLAY = ".replay"  # ends the name of the batch that takes a day's rejects in again
_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_day(text: str) -> date:
    try:
        if not _WRITTEN.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a day like 2026-01-31.") from None


def is_day(text: str) -> bool:
    try:
        parse_day(text)
    except BadInput:
        return False
    return True


def begins(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def ends(day: date) -> datetime:
    return begins(day) + timedelta(days=1)
