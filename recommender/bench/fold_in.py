"""How long one list takes among many titles, beside the bare product that no way around saves."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender.artifact import sealed
from recommender.bench.synthetic import catalogue
from recommender.catalogue import Catalogue
from recommender.history import History
from recommender.model import DEFAULTS, Model
from recommender.progress import Progress
from recommender.ranking import Ranker, Wish

PRODUCT, LIST, REASONS = "product", "list", "list with reasons"
_WARM = 5


def measure(titles: int, length: int, rank: int, lists: int, progress: Progress) -> dict[str, Any]:
    """On one thread and in turns, each turn for another history; medians in milliseconds."""
    rng = np.random.default_rng(0)
    movies = catalogue(titles)
    model = _model(movies, rank, rng)
    ranker = Ranker(movies, model)
    times: dict[str, list[float]] = {PRODUCT: [], LIST: [], REASONS: []}
    with threadpool_limits(1):
        for done in range(_WARM + lists):
            progress("lists", done, _WARM + lists)
            for name, taken in _turn(ranker, model, _history(movies, length, rng)).items():
                times[name].append(taken)
    progress("lists", _WARM + lists, _WARM + lists)
    ms = {name: 1e3 * statistics.median(taken[_WARM:]) for name, taken in times.items()}
    about = {"titles": titles, "history": length, "rank": rank, "lists": lists, "threads": 1}
    return {"about": about, "ms": ms, "ratios": {name: ms[name] / ms[PRODUCT] for name in (LIST, REASONS)}}


def _turn(ranker: Ranker, model: Model, past: History) -> dict[str, float]:
    vector = model.taste(past).vector
    return {
        PRODUCT: _seconds(lambda: model.right @ vector),
        LIST: _seconds(lambda: ranker.recommend(past, {}, Wish(explain=False))),
        REASONS: _seconds(lambda: ranker.recommend(past, {}, Wish())),
    }


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _history(movies: Catalogue, length: int, rng: np.random.Generator) -> History:
    rated = rng.choice(movies.movie_ids, min(length, len(movies)), replace=False)
    return History.of(rated, rng.integers(1, 11, len(rated)) / 2, np.arange(len(rated)))


def _model(movies: Catalogue, rank: int, rng: np.random.Generator) -> Model:
    """Of the shape of a real one; what the numbers are costs nothing."""
    tables: dict[str, NDArray[Any]] = {
        "movie_ids": movies.movie_ids,
        "left": rng.standard_normal((len(movies), rank), np.float32),
        "right": rng.standard_normal((len(movies), rank), np.float32),
        "prior": rng.random(len(movies), np.float32),
        "genre_factors": np.zeros((len(movies.genres), rank), np.float32),
    }
    card = {"parameters": asdict(DEFAULTS), "genres": list(movies.genres)}
    return Model(tables, *sealed(tables, card))
