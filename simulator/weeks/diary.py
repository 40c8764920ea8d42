"""What was served, how good it was and what came of it; it becomes the record of a run."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.truth import Exposure, Judged, Tally


@dataclass(frozen=True, slots=True)
class Page:
    """One list."""

    day: int
    rows: list[int]
    version: str  # empty while popularity serves
    newcomer: bool  # the viewer joined after the opening
    judged: Judged
    pleasures: tuple[float, ...]  # true liking of what was taken from it

    @property
    def tally(self) -> Tally:
        return Tally.of(self.judged, self.pleasures)


@dataclass(frozen=True, slots=True)
class Night:
    day: int
    ratings: int  # of the day, through the API and in files
    learned: bool | None  # whether another model serves from then on; None: nobody tried


class Diary:
    def __init__(self, movies: int) -> None:
        self._movies = movies
        self.pages: list[Page] = []
        self.nights: list[Night] = []

    def record(self) -> dict[str, Any]:
        pages = self.pages
        return {
            "whole": self._told(pages),
            "newcomers": self._told(page for page in pages if page.newcomer),
            "weeks": self._each("week", lambda page: page.day // 7),
            "days": self._each("day", lambda page: page.day),
            "versions": self._each("version", lambda page: page.version),
            "nights": [
                {"day": night.day, "ratings": night.ratings, "learned": night.learned}
                for night in self.nights
            ],
        }

    def _each(self, name: str, by: Callable[[Page], Hashable]) -> list[dict[str, Any]]:
        """In the order in which they came up."""
        groups: dict[Hashable, list[Page]] = {}
        for page in self.pages:
            groups.setdefault(by(page), []).append(page)
        return [{name: value} | self._told(pages) for value, pages in groups.items()]

    def _told(self, pages: Iterable[Page]) -> dict[str, Any]:
        tally, exposure = Tally(), Exposure(self._movies)
        for page in pages:
            tally += page.tally
            exposure.show(page.rows)
        return {**tally.record(), **exposure.record()}
