import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.titles import GENRES, split_genres, split_title, title_key, title_keys


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Toy Story (1995)", "Toy Story", 1995),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("Blade Runner 2049", "Blade Runner 2049", None),
        ("2001: A Space Odyssey (1968) ", "2001: A Space Odyssey", 1968),
        ("Avventura, L' (1960)", "L'Avventura", 1960),
        ("Death Note (2006–2007)", "Death Note", 2006),
        ("Babylon 5", "Babylon 5", None),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "The City of Lost Children (La Cité des enfants perdus)",
            1995,
        ),
    ],
)
def test_a_title_is_taken_apart(text: str, title: str, year: int | None) -> None:
    assert split_title(text) == (title, year)


@pytest.mark.parametrize(
    "spelling", ["The Amélie!", "amelie", "AMÉLIE", "Amelie, The", "  amélie ", "Ame\u0301lie"]
)
def test_spellings_of_one_title_share_a_key(spelling: str) -> None:
    assert title_key(spelling) == "amelie"


@pytest.mark.parametrize(
    ("title", "key"), [("The", "the"), ("A.I.", "ai"), ("!!!", "!!!"), ("七人の侍", "七人の侍")]
)
def test_a_title_never_loses_its_last_word(title: str, key: str) -> None:
    assert title_key(title) == key


@given(st.text(max_size=30))
def test_a_key_is_its_own_key(title: str) -> None:
    assert title_key(title_key(title)) == title_key(title)


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30))
def test_case_makes_no_other_key(title: str) -> None:
    assert title_key(title.casefold()) == title_key(title)


def test_names_in_parentheses_are_names_too() -> None:
    assert {"seven", "se7en"} <= set(title_keys("Seven (a.k.a. Se7en)"))


def test_genres_are_split_and_none_means_none() -> None:
    assert split_genres("Action|Children's|IMAX") == ("Action", "Children", "IMAX")
    assert split_genres("(no genres listed)") == split_genres("") == ()


def test_there_are_nineteen_genres() -> None:
    assert len(set(GENRES)) == len(GENRES) == 19
