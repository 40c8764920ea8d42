"""The small world again, but its held-out users watch what a champion's lists show them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import Catalogue
from recommender.evaluation import Ratings
from recommender.history import LIKED, History
from recommender.model import Model
from recommender.ranking import Ranker, Wish

VISITS = 5  # of a user, each with a list of ten
TAKEN = 0.4  # of a list, what is of a genre that the user likes; of the rest a fifth of that


@dataclass
class Viewer:
    catalogue: Catalogue
    ranker: Ranker
    rng: np.random.Generator
    rated: dict[int, float]
    genres: set[str]  # that are liked
    shown: set[int] = field(default_factory=set)

    def visit(self) -> None:
        history = History.of(np.array([*self.rated]), np.array([*self.rated.values()], np.float32))
        for pick in self.ranker.recommend(history, {}, Wish(k=10, explain=False)).picks:
            likes = genre(self.catalogue, pick.movie_id) in self.genres
            self.shown.add(pick.movie_id)
            if self.rng.random() < TAKEN * (1.0 if likes else 0.2):
                self.rated[pick.movie_id] = 4.5 if likes else 2.0


def genre(catalogue: Catalogue, movie_id: int) -> str:
    movie = catalogue.movie(movie_id)
    assert movie
    return movie.genres[0]


def lived_with(
    champion: Model, catalogue: Catalogue, ratings: Ratings, users: int
) -> tuple[Ratings, dict[int, set[int]]]:
    """What the first users rate, half of what they would choose by themselves between their visits; the
    ratings of the others stay. And what was shown to whom.
    """
    rng, ranker = np.random.default_rng(5), Ranker(catalogue, champion)
    shown, rows = {}, []
    for user in range(users):
        own = ratings.take(rng.permutation(np.flatnonzero(ratings.users == user)))
        chosen = list(zip(own.movie_ids.tolist(), own.ratings.tolist(), strict=True))
        liked = {genre(catalogue, movie_id) for movie_id, stars in chosen if stars >= LIKED}
        before = len(chosen) // 2
        viewer = Viewer(catalogue, ranker, rng, dict(chosen[:before]), liked)
        for part in np.array_split(np.arange(before, len(chosen)), VISITS):
            viewer.visit()
            viewer.rated = dict(chosen[place] for place in part) | viewer.rated
        shown[user] = viewer.shown
        rows += [(user, movie_id, stars) for movie_id, stars in viewer.rated.items()]
    return _joined(np.array(rows), ratings.take(np.flatnonzero(ratings.users >= users))), shown


def _joined(rows: NDArray[np.float64], others: Ratings) -> Ratings:
    return Ratings(
        np.concatenate([rows[:, 0].astype(np.int64), others.users]),
        np.concatenate([rows[:, 1].astype(np.int64), others.movie_ids]),
        np.concatenate([rows[:, 2].astype(np.float32), others.ratings]),
        np.concatenate([np.full(len(rows), np.nan), others.times]),
    )
