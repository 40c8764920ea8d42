"""Who is behind a user, and what becomes of tastes over weeks."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

import recommender
from simulator.bots import HURRIES, PRAISES, SHILLS
from simulator.drift import draw_drift
from simulator.history import life, movies_of
from simulator.households import Household, Population
from simulator.movies import Floats, Movies
from simulator.viewers import draw_viewer, liking, live

STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"
WEEK = 7 * 86_400


@pytest.fixture(scope="module")
def movies() -> Movies:
    return movies_of(STARTER.read_bytes(), STARTER.name, seed=7)


def alike(one: Floats, other: Floats) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_a_user_of_one_viewer_is_the_one_who_wrote_the_history(movies: Movies) -> None:
    viewer = Population(movies, 7).user(5).who(0)
    rng = np.random.default_rng([7, 5])
    assert draw_viewer(movies, rng).activity == viewer.activity
    lived, again = life(movies, 5, 7, date(2026, 1, 1)), live(viewer, movies, date(2026, 1, 1), rng)
    assert (lived.movie_ids == again.movie_ids).all()
    assert (lived.stars == again.stars).all()


def test_a_household_shares_one_account_in_turns_and_differs_in_taste(movies: Movies) -> None:
    people = Population(movies, 7, households=1)
    homes = [people.user(n) for n in range(1, 31)]
    assert {len(home.viewers) for home in homes} == {2, 3, 4}
    for home in homes[:5]:
        likings = [liking(viewer, movies) for viewer in home.viewers]
        assert alike(likings[0], likings[1]) < 0.85
        turns = [home.turn(moment) for moment in range(0, 10 * WEEK, 8 * 3600)]
        assert set(turns) == set(range(len(home.viewers)))
        again = people.user(home.user_id)
        assert turns == [again.turn(moment) for moment in range(0, 10 * WEEK, 8 * 3600)]


def test_about_the_asked_share_of_users_are_households_and_bots(movies: Movies) -> None:
    users = [Population(movies, 7, households=0.3, bots=0.1).user(n) for n in range(1, 401)]
    shared, bots = (len(user.viewers) > 1 for user in users), (user.bot is not None for user in users)
    assert sum(shared) == pytest.approx(120, abs=28)  # three standard deviations
    assert sum(bots) == pytest.approx(40, abs=18)


def test_tastes_walk_slowly_and_each_at_its_pace(movies: Movies) -> None:
    home = Population(movies, 7).user(3)
    start = liking(home.who(0), movies)
    kept = [alike(start, liking(home.who(0, weeks), movies)) for weeks in (0, 1, 4, 26, 104)]
    assert kept[0] == pytest.approx(1)
    assert kept == sorted(kept, reverse=True)
    assert kept[1] > 0.995
    ways = [draw_drift(movies, np.random.default_rng([7, n])).way(4) for n in range(100)]
    assert np.median(ways) == pytest.approx(0.1, abs=0.02)
    assert 0.02 < min(ways) < max(ways) < 0.5


def of_kind(movies: Movies, kind: str) -> Household:
    people = Population(movies, 7, bots=1)
    return next(user for user in map(people.user, range(1, 100)) if user.bot and user.bot.kind == kind)


def test_bots_praise_hurry_and_shill_without_any_taste(movies: Movies) -> None:
    praises, hurries, shills = (of_kind(movies, kind).bot for kind in (PRAISES, HURRIES, SHILLS))
    assert praises and hurries and shills
    every = np.arange(len(movies))
    assert set(praises.stars(every)) == {5.0}
    newest = np.argsort(-hurries.keys)[:50]
    assert movies.listing.years[newest].min() >= np.nanquantile(movies.listing.years, 0.9)
    assert np.argmax(shills.keys) == shills.favourite
    assert (shills.stars(every) == 5).sum() == 1
