import numpy as np
import pytest

from recommender.catalogue import Catalogue, Movie
from recommender.errors import BadInput

SHELF = Catalogue(
    [
        Movie(30, "Amélie", 2001, "movie", ("Comedy", "Romance")),
        Movie(7, "The Office", 2001, "show", ("Comedy",)),
        Movie(9, "The Office", 2005, "show", ("Comedy", "IMAX")),
        Movie(12, "Office Space", 1999, "movie", ()),
        Movie(40, "Le Fabuleux (a.k.a. Amelie)", None, "movie", ("Drama",)),
    ],
    popularity={30: 5, 12: 2, 999: 8},
)


def _ids(movies: list[Movie]) -> list[int]:
    return [movie.movie_id for movie in movies]


def test_rows_are_in_the_order_of_ids() -> None:
    assert SHELF.movie_ids.tolist() == [7, 9, 12, 30, 40]
    assert SHELF.popularity.tolist() == [0, 0, 2, 5, 0]
    assert SHELF.years.tolist() == [2001, 2005, 1999, 2001, 0]


def test_an_unknown_id_has_no_row() -> None:
    assert SHELF.rows([30, 8, 7, 1000, -5]).tolist() == [3, -1, 0, -1, -1]
    assert 30 in SHELF and 8 not in SHELF
    assert SHELF.movie(8) is None
    assert Catalogue([]).rows([1]).tolist() == [-1]


def test_a_movie_twice_is_refused() -> None:
    movie = Movie(1, "Heat", 1995, "movie", ())
    with pytest.raises(BadInput):
        Catalogue([movie, movie])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadInput):
        Catalogue([Movie(1, "Heat", 1995, "film", ())])


def test_the_tables_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        SHELF.genre_matrix[0, 0] = True


def test_other_genre_names_are_taken() -> None:
    assert SHELF.genres[-1] == "IMAX"
    assert SHELF.movie_ids[SHELF.has_genre(["IMAX", "Drama"])].tolist() == [9, 40]
    assert not SHELF.has_genre(["Polka"]).any()


def test_a_kind_names_its_rows() -> None:
    assert SHELF.movie_ids[SHELF.is_kind("show")].tolist() == [7, 9]
    assert not np.any(SHELF.is_kind("opera"))


def test_a_title_that_fits_several_is_ambiguous_until_the_year_is_told() -> None:
    assert _ids(SHELF.candidates("office, the")) == [7, 9]
    assert _ids(SHELF.candidates("The Office (2005)")) == [9]
    assert _ids(SHELF.candidates("The Office (1990)")) == []
    assert _ids(SHELF.candidates("Office")) == [7, 9]


def test_a_movie_of_unknown_year_fits_any_year() -> None:
    assert _ids(SHELF.candidates("amelie (2001)")) == [30]
    assert _ids(SHELF.candidates("amelie (1987)")) == [40]


@pytest.mark.parametrize("query", ["AMELIE", "amélie", "Amé"])
def test_search_tolerates_case_and_accents(query: str) -> None:
    assert _ids(SHELF.search(query)) == [30, 40]


def test_search_tolerates_an_article_and_finds_words_inside() -> None:
    assert _ids(SHELF.search("the office")) == [7, 9, 12]
    assert _ids(SHELF.search("space office")) == [12]


def test_search_filters_and_pages() -> None:
    assert _ids(SHELF.search("", limit=2)) == [7, 9]
    assert _ids(SHELF.search("", after=9, limit=2)) == [12, 30]
    assert _ids(SHELF.search("office", kind="show", genre="IMAX")) == [9]
    assert _ids(SHELF.search("office (1999)")) == [12]
