"""How a day's users and ratings differ from those that the champion was trained on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.days import ends
from recommender.errors import NothingToDo
from recommender.files import Store
from recommender.learning.audience import (
    STARS,
    Floats,
    People,
    joined,
    named,
    nobody,
    people_of,
    shares,
    within,
)
from recommender.learning.cohorts import AT_ONCE, read_cohort
from recommender.learning.day_ratings import DayRatings, day_in_database, day_in_files
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.progress import Progress
from recommender.registry import read_card, serving_state

SOME, MUCH = 0.1, 0.25  # of the population stability index, as is usual
ENOUGH = 1000  # samples; with fewer the index is above SOME by chance
_PEOPLE = 50_000  # whose histories are read
_NEVER = 1e-4  # what a share of zero counts for


@dataclass(frozen=True, slots=True)
class Measure:
    name: str
    psi: float
    js: float  # Jensen-Shannon divergence, 0 to 1
    samples: int

    @property
    def words(self) -> str:
        if self.samples < ENOUGH:
            return f"{self.name}: {self.samples:,} samples are too few to say"
        strength = "much drift" if self.psi >= MUCH else "some drift" if self.psi >= SOME else "no drift"
        return f"{self.name}: PSI {self.psi:.3f}, {strength} ({self.samples:,} samples)"


def drift(engine: Engine, data: Store, models: ModelStore, day: date, progress: Progress) -> list[Measure]:
    """Of the day's files, or of what Postgres holds of the day where there are none; kept in a table."""
    with transaction(engine) as connection:
        version, audience = _reference(connection)
        catalogue = read_catalogue(connection)
        found = day_in_files(connection, data, day, catalogue) or day_in_database(connection, day, catalogue)
    if not len(found.user_ids):
        raise NothingToDo(f"Nobody who is known rated anything on {day}.")
    people = _people(engine, models.load(version), found, day, progress)
    measures = list(_compared(audience, catalogue, found, people))
    with transaction(engine) as connection:
        connection.execute(_WRITTEN, [_row(day, version, measure) for measure in measures])
    return measures


def _reference(connection: Connection) -> tuple[str, Mapping[str, Any]]:
    champion = serving_state(connection).champion
    if champion is None:
        raise NothingToDo("No model is published yet, so there is nothing to compare with.")
    audience = read_card(connection, champion).get("audience")
    if audience is None:
        raise NothingToDo(f"The card of {champion} does not say whom it was trained on.")
    return champion, audience


def _people(engine: Engine, model: Model, found: DayRatings, day: date, progress: Progress) -> People:
    """Each with the whole history as it was when the day ended."""
    step = math.ceil(len(found.user_ids) / _PEOPLE)
    ids, weights, people = found.user_ids[::step], found.weights[::step], [nobody(model)]
    for first in range(0, len(ids), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        with transaction(engine) as connection:
            histories = read_cohort(connection, ids[some], ends(day)).histories
        people.append(people_of(histories, weights[some], model))
        progress("reading histories", min(first + AT_ONCE, len(ids)), len(ids))
    return joined(people)


def _compared(
    audience: Mapping[str, Any], catalogue: Catalogue, found: DayRatings, people: People
) -> Iterator[Measure]:
    genres = named(catalogue.genres, shares(found.genres))
    every = sorted(set(genres) | set(audience["genres"]))
    pair = [np.array([of.get(genre, 0.0) for genre in every]) for of in (audience["genres"], genres)]
    yield Measure("genres", *divergences(*pair), found.likes)
    stars = np.array([audience["stars"][str(star)] for star in STARS])
    yield Measure("stars", *divergences(stars, shares(found.stars)), int(found.stars.sum()))
    samples = round(
        people.weights.sum() ** 2 / (people.weights**2).sum()
    )  # so many of equal weight say it too
    columns = [("length", audience["length"], people.lengths)]
    for i, (described, values) in enumerate(zip(audience["taste"], people.tastes.T, strict=True), 1):
        columns.append((f"taste {i}", described, values))
    for name, described, values in columns:
        yield Measure(name, *divergences(*_binned(described, values, people.weights)), samples)


def _binned(
    described: Mapping[str, Sequence[float]], values: NDArray[Any], weights: Floats
) -> tuple[Floats, Floats]:
    edges = np.array(described["edges"], np.float64)
    return np.array(described["shares"]), shares(within(edges, values, weights))


def divergences(reference: Floats, found: Floats) -> tuple[float, float]:
    """The population stability index and the Jensen-Shannon divergence in bits."""
    p, q = (np.maximum(each, _NEVER) / np.maximum(each, _NEVER).sum() for each in (reference, found))
    middle = (p + q) / 2
    js = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2
    return float(((p - q) * np.log(p / q)).sum()), float(js)


_WRITTEN = text("""
    INSERT INTO drift (day, version, measure, psi, js, samples)
    VALUES (:day, :version, :measure, :psi, :js, :samples)
    ON CONFLICT (day, version, measure) DO UPDATE
    SET psi = excluded.psi, js = excluded.js, samples = excluded.samples
""")


def _row(day: date, version: str, measure: Measure) -> dict[str, Any]:
    figures = {"psi": measure.psi, "js": measure.js, "samples": measure.samples}
    return {"day": day, "version": version, "measure": measure.name, **figures}
