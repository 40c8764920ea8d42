"""The catalogue that Marquee ships: what must be true of every row."""

import csv
from collections import Counter
from pathlib import Path

import pytest

import recommender
from recommender.titles import GENRES, split_title, title_key

STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"
Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with STARTER.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def genres_of(row: Row) -> list[str]:
    return row["genres"].split("|")


def repeated(names: list[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    return [name for name, count in Counter(names).items() if count > 1]


def test_file_is_utf8_without_bom_and_ends_lines_with_lf() -> None:
    raw = STARTER.read_bytes()
    assert raw.decode("utf-8").startswith("movieId,title,genres,type\n")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")


def test_every_row_has_exactly_four_columns() -> None:
    with STARTER.open(encoding="utf-8", newline="") as file:
        assert {len(cells) for cells in csv.reader(file, strict=True)} == {4}


def test_catalogue_has_at_least_a_thousand_titles(rows: list[Row]) -> None:
    assert len(rows) >= 1_000


def test_ids_are_unique_and_consecutive_from_one(rows: list[Row]) -> None:
    assert [row["movieId"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]


def test_no_title_occurs_twice_in_one_year(rows: list[Row]) -> None:
    titles = [split_title(row["title"]) for row in rows]
    assert repeated([(title_key(title), year) for title, year in titles]) == []


def test_every_title_reads_with_its_article_in_front(rows: list[Row]) -> None:
    written = [f"{title} ({year})" for title, year in (split_title(row["title"]) for row in rows)]
    assert written == [row["title"] for row in rows]


def test_every_year_is_possible(rows: list[Row]) -> None:
    years = {row["title"]: split_title(row["title"])[1] for row in rows}
    assert {title: year for title, year in years.items() if year is None or not 1895 <= year <= 2026} == {}


def test_every_genre_is_known(rows: list[Row]) -> None:
    assert {row["title"]: row["genres"] for row in rows if not set(genres_of(row)) <= set(GENRES)} == {}


def test_no_row_repeats_a_genre(rows: list[Row]) -> None:
    assert [row["title"] for row in rows if len(set(genres_of(row))) < len(genres_of(row))] == []


@pytest.mark.parametrize("genre", GENRES)
def test_every_genre_has_at_least_fifteen_titles(rows: list[Row], genre: str) -> None:
    assert sum(genre in genres_of(row) for row in rows) >= 15


def test_every_title_is_a_movie_or_a_show(rows: list[Row]) -> None:
    assert {row["type"] for row in rows} == {"movie", "show"}


def test_catalogue_has_at_least_two_hundred_shows(rows: list[Row]) -> None:
    assert sum(row["type"] == "show" for row in rows) >= 200
