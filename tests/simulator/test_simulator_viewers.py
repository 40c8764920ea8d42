from datetime import UTC, date, datetime

import numpy as np
import pytest

from simulator.movies import Movies, imagine, read_listing
from simulator.viewers import (
    FEWEST,
    MANY,
    WHOLE_STARS,
    Ratings,
    Viewer,
    draw_activity,
    draw_viewer,
    liking,
    live,
    most_seen,
    rate,
    take_chances,
)

GENRES = ("Action", "Comedy", "Drama", "Horror", "Musical", "Romance", "War", "Western")
UNTIL = date(2026, 1, 1)
Life = tuple[Viewer, Ratings]


def made_up_movies(count: int, newest: int = 2024) -> bytes:
    rng = np.random.default_rng(1)
    rows = [
        f"{3 * i + 5},Title {i} ({year}),{'|'.join(rng.choice(GENRES, 2, replace=False))}"
        for i, year in enumerate(rng.integers(1950, newest + 1, size=count))
    ]
    return "\n".join(["movieId,title,genres", *rows, ""]).encode()


@pytest.fixture(scope="module")
def movies() -> Movies:
    return imagine(read_listing(made_up_movies(500), "movies.csv"), np.random.default_rng(2))


@pytest.fixture(scope="module")
def lives(movies: Movies) -> list[Life]:
    return [lived(movies, number) for number in range(400)]


def lived(movies: Movies, number: int) -> Life:
    rng = np.random.default_rng([3, number])
    viewer = draw_viewer(movies, rng)
    return viewer, live(viewer, movies, UNTIL, rng)


def rows(movies: Movies, ratings: Ratings) -> np.ndarray:
    return np.searchsorted(movies.listing.movie_ids, ratings.movie_ids)


def test_ratings_are_half_stars_from_a_half_to_five_with_more_praise_than_blame(lives: list[Life]) -> None:
    stars = np.concatenate([ratings.stars for _, ratings in lives])
    assert set(stars) == {half / 2 for half in range(1, 11)}
    assert stars.mean() == pytest.approx(3.2, abs=0.05)  # with more to choose from it is 3.5


def test_a_viewer_rates_a_movie_at_most_once(lives: list[Life]) -> None:
    assert all(len(set(ratings.movie_ids)) == len(ratings) for _, ratings in lives)


def test_times_increase_within_the_year_before_the_last_day(lives: list[Life]) -> None:
    end = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    for _, ratings in lives:
        assert (np.diff(ratings.times) > 0).all()
        assert end - 365 * 86_400 <= ratings.times[0] <= ratings.times[-1] < end


def test_nobody_rates_a_movie_of_a_year_to_come() -> None:
    movies = imagine(read_listing(made_up_movies(200, newest=2060), "movies.csv"), np.random.default_rng(2))
    for number in range(50):
        _, ratings = lived(movies, number)
        assert movies.listing.years[rows(movies, ratings)].max() <= 2025


def test_few_viewers_give_most_of_the_ratings() -> None:
    rng = np.random.default_rng(4)
    activity = np.array([draw_activity(MANY, rng) for _ in range(2_000)])
    assert activity.min() >= FEWEST
    assert activity.max() > 4_000
    assert np.median(activity) < 0.5 * activity.mean()


def test_nobody_sees_more_than_a_part_of_a_large_catalogue(movies: Movies, lives: list[Life]) -> None:
    assert max(len(ratings) for _, ratings in lives) == most_seen(movies) == 150


def test_a_catalogue_smaller_than_the_appetite_is_watched_once() -> None:
    movies = imagine(read_listing(made_up_movies(5), "movies.csv"), np.random.default_rng(2))
    _, ratings = lived(movies, 0)
    assert sorted(ratings.movie_ids) == sorted(movies.listing.movie_ids)


def test_titles_of_a_loved_genre_are_rated_above_those_of_a_disliked_one(
    movies: Movies, lives: list[Life]
) -> None:
    stars: dict[bool, list[float]] = {True: [], False: []}
    for viewer, ratings in lives:
        match = movies.listing.has_genre[rows(movies, ratings)] @ viewer.genre_taste
        stars[True] += list(ratings.stars[match > 0.7])
        stars[False] += list(ratings.stars[match < -0.7])
    assert np.mean(stars[True]) > np.mean(stars[False]) + 0.45


def test_ratings_follow_the_hidden_liking_but_not_blindly(movies: Movies, lives: list[Life]) -> None:
    hidden = np.concatenate([liking(viewer, movies)[rows(movies, ratings)] for viewer, ratings in lives])
    shown = np.concatenate([(ratings.stars - viewer.mean) / viewer.spread for viewer, ratings in lives])
    assert np.corrcoef(hidden, shown)[0, 1] == pytest.approx(0.65, abs=0.03)


def test_what_is_watched_is_liked_more_than_the_rest(movies: Movies, lives: list[Life]) -> None:
    gains = [liking(viewer, movies)[rows(movies, ratings)].mean() for viewer, ratings in lives]
    assert np.mean(gains) == pytest.approx(0.9, abs=0.05)


def test_what_is_watched_has_the_flavour_the_viewer_seeks(movies: Movies, lives: list[Life]) -> None:
    gains = []
    for viewer, ratings in lives:
        close = movies.flavour @ viewer.flavour
        gains.append(close[rows(movies, ratings)].mean() - close.mean())
    assert np.mean(gains) > 0.25


def test_the_first_rows_are_met_by_more_viewers_than_the_last(movies: Movies, lives: list[Life]) -> None:
    met = np.bincount(np.concatenate([rows(movies, ratings) for _, ratings in lives]), minlength=500)
    assert met[:50].mean() > 3.5 * met[-250:].mean()


def test_a_viewer_who_gives_whole_stars_gives_no_half_ones(lives: list[Life]) -> None:
    halves = [(ratings.stars % 1 != 0).any() for viewer, ratings in lives if viewer.whole]
    assert len(halves) == pytest.approx(WHOLE_STARS * len(lives), abs=28)  # three standard deviations
    assert not any(halves)


def test_another_movie_is_rated_otherwise(movies: Movies, lives: list[Life]) -> None:
    """By the same viewer in the same mood."""
    for viewer, _ in lives[:20]:
        best, worst = np.argmax(liking(viewer, movies)), np.argmin(liking(viewer, movies))
        given = [rate(viewer, movies, np.array([row]), np.random.default_rng(1))[0] for row in (best, worst)]
        assert given[0] > given[1]


def test_the_well_known_are_liked_more_often(movies: Movies, lives: list[Life]) -> None:
    places = np.concatenate([rows(movies, ratings) for _, ratings in lives])
    stars = np.concatenate([ratings.stars for _, ratings in lives])
    assert (stars[places < 50] >= 4).mean() > (stars[places >= 250] >= 4).mean() + 0.12


def test_of_a_list_what_pleases_is_taken_sooner_above_and_what_was_seen_never() -> None:
    alike = take_chances(np.full(10, 1.0))
    assert (np.diff(alike) < 0).all()
    assert alike.sum() < 1
    better = take_chances(np.array([1.0, 3.0, 1.0]))
    assert better[1] > alike[1]
    assert better[2] < alike[2]
    assert take_chances(np.array([-np.inf, 1.0])).tolist() == pytest.approx([0, 0.85 / 2])


def test_neighbours_in_what_was_watched_predict_better_than_popularity(
    movies: Movies, lives: list[Life]
) -> None:
    watched = np.zeros((len(lives), len(movies)))
    for viewer, (_, ratings) in enumerate(lives):
        watched[viewer, rows(movies, ratings)] = 1
    hidden = watched * (np.random.default_rng(5).random(watched.shape) < 0.2)
    known = watched - hidden
    together = known.T @ known
    cosine = together / np.sqrt(np.outer(together.diagonal(), together.diagonal()) + 1e-9)
    np.fill_diagonal(cosine, 0)
    popularity = np.tile(known.sum(axis=0), (len(lives), 1))
    assert ndcg(known @ cosine, known, hidden) > 1.4 * ndcg(popularity, known, hidden)


def ndcg(scores: np.ndarray, known: np.ndarray, hidden: np.ndarray) -> float:
    top = np.argsort(-np.where(known > 0, -np.inf, scores), axis=1)[:, :10]
    gains = np.take_along_axis(hidden, top, axis=1) / np.log2(np.arange(2, 12))
    best = np.sort(hidden, axis=1)[:, ::-1][:, :10] / np.log2(np.arange(2, 12))
    asked = hidden.sum(axis=1) > 0
    return float(np.mean(gains[asked].sum(axis=1) / best[asked].sum(axis=1)))
