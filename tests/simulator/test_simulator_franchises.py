import numpy as np
import pytest

from simulator.franchises import NONE, find_franchises, stem
from simulator.movies import imagine, read_listing
from simulator.viewers import draw_viewer, taste


@pytest.mark.parametrize(
    "titles",
    [
        ("Rocky (1976)", "Rocky II (1979)", "Rocky V (1990)"),
        ("Toy Story (1995)", "Toy Story 2 (1999)", "Toy Story 3 (2010)"),
        (
            "Friday the 13th (1980)",
            "Friday the 13th Part 2 (1981)",
            "Friday the 13th Part IV: The End (1984)",
        ),
        (
            "The Lord of the Rings: The Two Towers (2002)",
            "Lord of the Rings: The Return of the King, The (2003)",
        ),
        ("Star Wars: Episode IV - A New Hope (1977)", "Star Wars: The Last Jedi (2017)"),
        ("Harry Potter and the Goblet of Fire (2005)", "Harry Potter and the Half-Blood Prince (2009)"),
        ("Hamlet (1948)", "Hamlet (1996)"),
    ],
)
def test_sequels_and_shared_stems_are_one_franchise(titles: tuple[str, ...]) -> None:
    numbers = find_franchises([*titles, "Casablanca (1942)"])
    assert set(numbers[:-1]) == {0}
    assert numbers[-1] == NONE


@pytest.mark.parametrize("title", ["2001", "Seven (1995)", "M (1931)", "V (2009)", "13 Assassins (2010)"])
def test_a_title_of_a_number_or_a_letter_keeps_its_stem(title: str) -> None:
    assert stem(title) == title.split(" (")[0].lower()


def test_a_fan_of_one_title_is_drawn_to_the_others_of_its_franchise() -> None:
    rows = [f"{i},Hero{i // 2} {1 + i % 2} (19{40 + i % 50}),Drama" for i in range(200)]
    text = "\n".join(["movieId,title,genres", *rows])
    movies = imagine(read_listing(text.encode(), "movies.csv"), np.random.default_rng(3))
    assert movies.listing.franchise.max() == 99
    suits = np.array([taste(draw_viewer(movies, np.random.default_rng([4, n])), movies) for n in range(200)])
    together = np.mean([np.corrcoef(suits[:, i], suits[:, i + 1])[0, 1] for i in range(0, 200, 2)])
    apart = np.mean([np.corrcoef(suits[:, i], suits[:, i + 2])[0, 1] for i in range(0, 198, 2)])
    assert together > apart + 0.2
