"""The written contract of a day's files says what the code does."""

from pathlib import Path

import pytest

import recommender
from recommender.daily.refused_rows import MOVIE_COLUMNS, RATING_COLUMNS
from recommender.imports.movielens import KIND, movies_csv, ratings_csv
from recommender.imports.rows import KEPT, LONGEST_ID, Rule

PAGE = (Path(recommender.__file__).parent / "daily" / "DAYS.md").read_text(encoding="utf-8")


def rows(first: str) -> list[list[str]]:
    """Of the table whose first column has this name."""
    lines = PAGE.split(f"\n| {first} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("| ").split(" | ")] for line in lines]


def test_the_rules_are_those_of_the_code_in_its_order_and_words() -> None:
    assert rows("rule") == [[rule.value, rule.sentence] for rule in Rule]


@pytest.mark.parametrize(
    ("file", "names", "needed"),
    [
        ("movies.csv", (*MOVIE_COLUMNS, KIND), movies_csv(Path()).needed),
        ("ratings.csv", RATING_COLUMNS, ratings_csv(Path()).needed),
    ],
)
def test_the_columns_are_those_that_are_read(
    file: str, names: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    found = [row for row in rows("file") if row[0] == file]
    assert tuple(row[1] for row in found) == names
    assert tuple(row[1].lower() for row in found if row[-1] == "yes") == needed


def test_the_limits_are_those_of_the_code() -> None:
    ids = [row for row in rows("file") if row[1] in ("userId", "movieId") and "characters" in row[3]]
    assert len(ids) == 2 and all(f"1 to {LONGEST_ID} characters" in row[3] for row in ids)
    assert f"first {KEPT} characters" in PAGE
