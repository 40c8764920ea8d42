"""The best movies of every user of the clients that ask for it, ranked in one go each night."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from recommender.bulk import copy_rows, run
from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import NothingToDo
from recommender.folding import Ints, Single, Tastes, tastes
from recommender.learning.cohorts import AT_ONCE, Cohort, read_cohort
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.progress import Progress
from recommender.ranking import Source
from recommender.registry import serving_state
from recommender.scores import best
from recommender.unloading import read_out

KEPT = timedelta(days=7)
SCORES = 16_000_000  # held at once

_ASKING = text("""
    SELECT client_id, nightly_k FROM clients
    WHERE nightly_k IS NOT NULL AND status = 'active' ORDER BY client_id
""")
_USERS = """
    SELECT user_id FROM users WHERE client_id = :client AND user_id > :last
    ORDER BY user_id LIMIT :limit
"""
_DISMISSED = "SELECT user_id, movie_id FROM dismissals WHERE user_id = ANY(CAST(:ids AS bigint[]))"


@dataclass(frozen=True, slots=True)
class Listed:
    user_id: int
    source: Source
    movie_ids: Sequence[int]
    scores: Sequence[float]


def recommend_all(engine: Engine, models: ModelStore, day: date, progress: Progress) -> int:
    """How many users were ranked for. A second run writes the same rows; lists of last week go."""
    with transaction(engine) as connection:
        run(connection, "DELETE FROM nightly_lists WHERE day < :first", first=day - KEPT)
        asking = connection.execute(_ASKING).all()
        champion, catalogue = serving_state(connection).champion, read_catalogue(connection)
    if not asking:
        raise NothingToDo("No client asks for nightly lists.")
    if champion is None:
        raise NothingToDo("No model is published yet, so there is nothing to rank with.")
    night = Night(catalogue, models.load(champion), day)
    return sum(_recommend(engine, night, row.client_id, row.nightly_k, progress) for row in asking)


def _recommend(engine: Engine, night: "Night", client_id: int, k: int, progress: Progress) -> int:
    listed = last = 0
    with transaction(engine) as connection:
        users = run(connection, "SELECT count(*) FROM users WHERE client_id = :client", client=client_id)
    while True:
        with transaction(engine) as connection:
            asked = {"client": client_id, "last": last, "limit": AT_ONCE}
            ids = read_out(connection, _USERS, asked, {"user": "i8"})["user"]
            if not len(ids):
                return listed
            lists = night.lists(read_cohort(connection, ids), _dismissed(connection, ids), k)
            listed += _write(connection, night, client_id, lists)
        last = int(ids[-1])
        progress(f"lists of client {client_id}", listed, max(users, listed))


def _dismissed(connection: Connection, ids: Ints) -> tuple[Ints, Ints]:
    """Places of users, and movies."""
    rows = read_out(connection, _DISMISSED, {"ids": ids.tolist()}, {"user": "i8", "movie": "i8"})
    return np.searchsorted(ids, rows["user"]), rows["movie"]


class Night:
    """What ranks: lists are those of Ranker.recommend, up to the rounding of sums."""

    def __init__(self, catalogue: Catalogue, model: Model, day: date) -> None:
        self.model, self.day = model, day
        self._gone = catalogue.rows(model.movie_ids) < 0  # movies that have left the catalogue

    def lists(self, users: Cohort, dismissed: tuple[Ints, Ints], k: int) -> Iterator[Listed]:
        found = tastes(self.model, users.histories, users.wishes)
        barred = np.concatenate([users.histories.users, dismissed[0]])
        rows = self.model.rows(np.concatenate([users.histories.movie_ids, dismissed[1]]))
        order = np.argsort(barred[rows >= 0], kind="stable")
        barred, rows = barred[rows >= 0][order], rows[rows >= 0][order]
        at_once = max(1, SCORES // max(1, len(self.model.movie_ids)))
        for first in range(0, len(users.user_ids), at_once):
            places = slice(first, first + at_once)
            some = slice(*np.searchsorted(barred, [first, first + at_once]))
            scores = self._scores(found, places, barred[some] - first, rows[some])
            for place, row in enumerate(scores, first):
                yield self._list(users, found, place, best(row, k))

    def _scores(self, found: Tastes, places: slice, barred: Ints, rows: Ints) -> Single:
        scores: Single = found.vectors[places] @ self.model.right.T
        scores += found.prior_weights[places, None] * self.model.prior
        scores[barred, rows] = -np.inf
        scores[:, self._gone] = -np.inf
        return scores

    def _list(self, users: Cohort, found: Tastes, place: int, rows: NDArray[np.intp]) -> Listed:
        """Scores anew in double precision, as Ranker does."""
        model, vector = self.model, found.vectors[place].astype(np.float64)
        prior = float(found.prior_weights[place]) * model.prior[rows].astype(np.float64)
        scores = model.right[rows].astype(np.float64) @ vector + prior
        source = _source(bool(found.known[place]), self._wishes(users, place))
        return Listed(int(users.user_ids[place]), source, model.movie_ids[rows].tolist(), scores.tolist())

    def _wishes(self, users: Cohort, place: int) -> bool:
        return any(genre in self.model.genres for genre in users.wishes.get(place, ()))


def _source(known: bool, wishes: bool) -> Source:
    if known:
        return "model"
    return "preferences" if wishes else "popular"


_STAGED = """
    CREATE TEMPORARY TABLE listed (user_id bigint, source text, movie_ids bigint[], scores real[])
    ON COMMIT DROP
"""
# A user who is being deleted gets none.
_WRITTEN = """
    INSERT INTO nightly_lists AS old (client_id, user_id, day, version, source, movie_ids, scores)
    SELECT :client, u.user_id, :day, :version, l.source, l.movie_ids, l.scores
    FROM listed l JOIN (
        SELECT user_id FROM users WHERE user_id IN (SELECT user_id FROM listed) FOR KEY SHARE SKIP LOCKED
    ) u USING (user_id)
    ON CONFLICT (client_id, day, user_id) DO UPDATE
    SET version = excluded.version, source = excluded.source, movie_ids = excluded.movie_ids,
        scores = excluded.scores
    WHERE (old.version, old.source, old.movie_ids, old.scores)
        IS DISTINCT FROM (excluded.version, excluded.source, excluded.movie_ids, excluded.scores)
"""


def _write(connection: Connection, night: Night, client_id: int, lists: Iterator[Listed]) -> int:
    rows = [(one.user_id, one.source, _array(one.movie_ids), _array(one.scores)) for one in lists]
    run(connection, _STAGED)
    copy_rows(connection, "listed", "user_id, source, movie_ids, scores", rows)
    run(connection, _WRITTEN, client=client_id, day=night.day, version=night.model.version)
    return len(rows)


def _array(values: Sequence[float]) -> str:
    return "{" + ",".join(map(repr, values)) + "}"
