import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import recommender
from recommender.errors import BadInput, NothingToDo
from recommender.library import Recommender, fit

Frames = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def fitted(frames: Frames) -> Recommender:
    return fit(*frames)


def test_the_list_is_of_the_frames_own_ids_without_repeats_or_seen(
    fitted: Recommender, frames: Frames
) -> None:
    own = frames[1]["movieId"].tolist()
    shown = fitted.recommend(own[:30], [4.0] * 30, k=1000)
    assert len(shown) == len(own) - 30
    assert set(shown) == set(own[30:])


def test_ids_may_be_words(frames: Frames, fitted: Recommender) -> None:
    ratings, movies = (frame.assign(movieId="tt" + frame["movieId"].astype(str)) for frame in frames)
    by_word = Recommender().fit(ratings, movies)
    history = movies["movieId"].tolist()[:5]
    assert by_word.recommend(history) == [f"tt{i}" for i in fitted.recommend([int(w[2:]) for w in history])]


def test_unknown_ids_are_ignored(fitted: Recommender) -> None:
    known = fitted.recommend([10, 40], [5.0, 3.0])
    assert fitted.recommend([10, 999_999, 40, "x"], [5.0, 1.0, 3.0, None]) == known
    assert len(fitted.recommend([])) == 10


def test_the_benchmarks_names_give_the_same_model(frames: Frames, fitted: Recommender) -> None:
    ratings = frames[0].rename(columns={"userId": "user_id", "movieId": "item_id"})
    movies = frames[1].rename(columns={"movieId": "item_id"})
    parsed = movies.assign(
        genres=movies["genres"].map(lambda names: tuple(names.split("|"))),
        year=movies["title"].str.extract(r"\((\d{4})\)$", expand=False).astype(float),
    )
    assert Recommender().fit(ratings, parsed).model.version == fitted.model.version


def test_the_third_place_takes_times_or_the_benchmarks_k(fitted: Recommender) -> None:
    history, ratings = [10, 40, 70], [5.0, 4.0, 1.0]
    assert fitted.recommend(history, ratings, 25) == fitted.recommend(history, ratings, k=25)
    timed = fitted.recommend(history, ratings, [1.0, 2.0, 3.0], 25)
    assert len(timed) == 25
    assert timed == fitted.recommend(history[::-1], ratings[::-1], [3.0, 2.0, 1.0], 25)


def test_the_later_of_two_ratings_counts(frames: Frames, fitted: Recommender) -> None:
    ratings, movies = frames
    earlier = ratings.assign(rating=0.5, timestamp=ratings["timestamp"] - 1e6)
    assert fit(pd.concat([ratings, earlier]), movies).model.version == fitted.model.version


def test_low_ratings_are_read(fitted: Recommender, frames: Frames) -> None:
    own = frames[1]["movieId"].tolist()[:12]
    assert fitted.recommend(own, [5.0] * 6 + [1.0] * 6) != fitted.recommend(own, [1.0] * 6 + [5.0] * 6)


def test_hyper_parameters_go_to_the_constructor(frames: Frames) -> None:
    assert Recommender(rank=5).fit(*frames).model.left.shape[1] == 5
    with pytest.raises(BadInput, match="colour"):
        Recommender(colour="red")


def test_a_missing_column_is_named(frames: Frames) -> None:
    with pytest.raises(BadInput, match="user_id"):
        fit(frames[0].drop(columns="userId"), frames[1])


def test_a_rating_that_is_missing_is_refused(frames: Frames) -> None:
    ratings = frames[0].copy()
    ratings.loc[5, "rating"] = np.nan
    with pytest.raises(BadInput):
        fit(ratings, frames[1])


def test_data_that_are_refused_leave_the_lists_as_they_were(frames: Frames) -> None:
    ratings, movies = frames
    made = Recommender().fit(ratings, movies)
    before = made.recommend([10, 40, 70])
    few, other = ratings[ratings["userId"] < 50], movies[::-1]
    with pytest.raises(NothingToDo):
        made.tune(few, other)
    with pytest.raises(BadInput):
        made.fit(few.assign(rating=np.nan), other)
    assert made.recommend([10, 40, 70]) == before


def test_the_package_offers_the_library_and_does_not_load_pandas_for_the_rest() -> None:
    assert recommender.fit is fit and recommender.Recommender is Recommender
    code = "import recommender.ranking, sys; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
