"""What was acknowledged, and what a database must hold after it.

A request without an answer may have happened, now or later. A rating that says when it was made is never
replaced by one of an earlier time, so of those that do only the ones after the last acknowledged may stand.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Said(NamedTuple):
    rating: float
    at: datetime | None  # None: the request named no time


@dataclass
class Pair:
    """One user's rating of one movie."""

    sure: Said | None = None
    perhaps: list[Said] = field(default_factory=list)

    def confirm(self, said: Said, *, again: bool) -> None:
        """`again`: an earlier request of the same words has no answer, and may yet happen."""
        self.sure = said
        if not again:
            self.perhaps.remove(said)

    def allows(self, found: Said | None) -> bool:
        if found is None or found == self.sure:
            return found == self.sure
        return found in self.perhaps and self._may_stand(found)

    def _may_stand(self, said: Said) -> bool:
        before = self.sure.at if self.sure else None
        return said.at is None or before is None or said.at >= before


@dataclass
class Story:
    """A user, known by a rating that nobody else has: `mark` is its time, and it is never given again."""

    mark: datetime
    name: str | None = None
    user_id: int | None = None
    exists: bool = False  # acknowledged
    gone: bool = False  # acknowledged
    leaving: bool = False  # asked for, and never answered
    doubtful: bool = False  # a request for it was not answered
    ratings: dict[int, Pair] = field(default_factory=lambda: defaultdict(Pair))

    @property
    def usable(self) -> bool:
        return self.exists and not self.gone and not self.leaving

    def tell(self, items: Mapping[int, Said]) -> None:
        for movie_id, said in items.items():
            self.ratings[movie_id].perhaps.append(said)

    def confirm(self, items: Mapping[int, Said], *, again: bool = False) -> None:
        self.exists = True
        for movie_id, said in items.items():
            self.ratings[movie_id].confirm(said, again=again)


@dataclass
class Found:
    """A user of the database."""

    name: str | None
    ratings: dict[int, Said]


def breaches(stories: Iterable[Story], found: Mapping[int, Found]) -> Iterator[str]:
    """What is not as it was acknowledged, and what nobody asked for."""
    named = {user.name: user_id for user_id, user in found.items() if user.name is not None}
    marked: dict[datetime, set[int]] = defaultdict(set)
    for user_id, user in found.items():
        for said in user.ratings.values():
            if said.at is not None:
                marked[said.at].add(user_id)
    known: set[int] = set()
    for story in stories:
        holders = marked.get(story.mark, set()) | ({named[story.name]} if story.name in named else set())
        known |= holders
        yield from _of_one(story, holders, found)
    for user_id in found.keys() - known:
        yield f"user {user_id} was never asked for"


def _of_one(story: Story, holders: set[int], found: Mapping[int, Found]) -> Iterator[str]:
    who = f"the user {story.name or story.mark.isoformat()}"
    if len(holders) > 1:
        yield f"{who} is there {len(holders)} times: {sorted(holders)}"
    if story.gone:
        if holders and not story.doubtful:
            yield f"{who} is there again after its deletion"
    elif not holders:
        if story.exists and not story.leaving:
            yield f"{who} is lost"
    else:
        if story.user_id is not None and story.user_id not in holders:
            yield f"{who} has another id than {story.user_id}"
        yield from _ratings(who, story, found[min(holders)].ratings)


def _ratings(who: str, story: Story, found: Mapping[int, Said]) -> Iterator[str]:
    for movie_id, pair in story.ratings.items():
        if not pair.allows(found.get(movie_id)):
            yield f"{who}: movie {movie_id} is {found.get(movie_id)}, acknowledged was {pair.sure}"
    for movie_id in found.keys() - story.ratings.keys():
        yield f"{who}: nobody rated movie {movie_id}"
