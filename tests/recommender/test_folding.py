"""Many histories at once mean what each of them means alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue import Catalogue
from recommender.folding import Histories, genre_shares, tastes
from recommender.history import LIKED, History
from recommender.model import Model

MOMENTS = st.sampled_from([None, 1e9, 1e9 + 1, 1e9 + 2, 2e9])  # few, so that many are equal


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some of the movies are unknown; some of the times too."""
    ids = draw(st.lists(st.integers(0, 260).map(lambda i: 10 + 3 * i), max_size=30))
    marks = [draw(st.sampled_from([0.5, 1.0, 3.5, 4.0, 5.0])) for _ in ids]
    return History.of(ids, marks, [draw(MOMENTS) for _ in ids])


@settings(max_examples=60, deadline=None)
@given(some=st.lists(histories(), max_size=6))
def test_tastes_of_many_are_the_taste_of_each(model: Model, some: list[History]) -> None:
    wishes = {place: {"Drama": 5.0, "Nothing": 1.0} for place in range(0, len(some), 2)}
    many = tastes(model, Histories.of(some), wishes)
    assert len(many.vectors) == len(some)
    for place, history in enumerate(some):
        one = model.taste(history, wishes.get(place, {}))
        np.testing.assert_allclose(many.vectors[place], one.vector, rtol=1e-4, atol=1e-5)
        assert many.known[place] == len(one.rows)
        assert np.isclose(many.prior_weights[place], one.prior_weight)


@settings(max_examples=60, deadline=None)
@given(some=st.lists(histories(), max_size=6))
def test_a_genres_share_is_that_of_the_liked_movies_or_else_of_all(
    catalogue: Catalogue, some: list[History]
) -> None:
    many = genre_shares(catalogue, Histories.of(some))
    for place, history in enumerate(some):
        known = history.movie_ids[catalogue.rows(history.movie_ids) >= 0]
        liked = known[history.ratings[catalogue.rows(history.movie_ids) >= 0] >= LIKED]
        counted = liked if len(liked) else known
        of_each = [catalogue.movie(int(i)) for i in counted]
        for column, genre in enumerate(catalogue.genres):
            has = sum(genre in movie.genres for movie in of_each if movie)
            assert np.isclose(many[place, column], has / max(1, len(counted)))
