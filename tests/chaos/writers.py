"""Clients that write without a pause, keep to the ledger, and remember each answer."""

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx

from tests.chaos.ledger import Said, Story

HISTORY, MORE = 5, 3
PATIENCE_S = 30.0  # longer than any answer may take
TRIES, AGAIN_S = 12, (0.1, 0.8)
PAUSE_S = (0.02, 0.12)
USERS = 40  # of one writer that are alive
HISTORY_PAGE = 200
NEAR, PRIME = 30, 7919  # movies that one user rates, and what spreads them


class Event(NamedTuple):
    """A request. `status` 0: no answer came."""

    began: float
    ended: float
    api: int
    what: str
    status: int
    stored: bool  # a write that was acknowledged, or a read
    trouble: str = ""


class Answer(NamedTuple):
    status: int
    body: Any

    @property
    def stored(self) -> bool:
        return 200 <= self.status < 300 and (self.body or {}).get("persisted", True)


@dataclass
class Writer:
    number: int
    urls: Sequence[str]
    token: str
    movie_ids: Sequence[int]
    chance: random.Random
    stories: list[Story] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    versions: set[str | None] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._clock = datetime.now(UTC) - timedelta(days=1 + self.number)  # no two have a mark in common
        limits = httpx.Limits(max_keepalive_connections=1)
        headers = {"Authorization": f"Bearer {self.token}"}
        self._https = [
            httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False, limits=limits)
            for url in self.urls
        ]

    def run(self, stop: threading.Event) -> None:
        acts = {self.newcomer: 3, self.named: 2, self.more: 4, self.rate: 5, self.leave: 1, self.look: 3}
        while not stop.is_set():
            (act,) = self.chance.choices(list(acts), list(acts.values()))
            act()
            stop.wait(self.chance.uniform(*PAUSE_S))
        for http in self._https:
            http.close()

    def newcomer(self) -> None:
        """With a key it is asked for until it is sure; without one, once."""
        story = self._begun(None)
        key = f"{self.number}-{story.mark.isoformat()}" if self.chance.random() < 0.6 else None
        self._enter(story, {}, key)

    def named(self) -> None:
        story = self._begun(f"w{self.number}-{len(self.stories)}")
        key = f"k-{story.name}" if self.chance.random() < 0.3 else None
        self._enter(story, {"external_id": story.name}, key)

    def _begun(self, name: str | None) -> Story:
        self._clock += timedelta(seconds=1)
        story = Story(self._clock, name)
        self.stories.append(story)
        return story

    def _enter(self, story: Story, who: Mapping[str, Any], key: str | None) -> None:
        items = self._items(story, HISTORY)
        items[next(iter(items))] = Said(4.5, story.mark)
        body = {**who, "k": 3, "explain": False, "history": _written(items)}
        headers = {"Idempotency-Key": key} if key else {}
        again = bool(key or who)
        told = self._tell("new", "/recommendations", body, {id(story): (story, items)}, headers, again=again)
        if told is None:
            return
        story.user_id = told["user_id"]
        if key and self.chance.random() < 0.3:
            self._same_again(body, headers, told)

    def _same_again(self, body: Any, headers: Mapping[str, str], told: Mapping[str, Any]) -> None:
        again = self._ask("POST", "/recommendations", "again", body, headers)
        if again.stored and again.body["recommendation_id"] != told["recommendation_id"]:
            self.wrong.append(f"{headers} was answered with {told['user_id']} and {again.body['user_id']}")

    def more(self) -> None:
        if story := self._one():
            items = self._items(story, MORE)
            who = {"external_id": story.name} if story.name else {"user_id": story.user_id}
            body = {**who, "k": 3, "explain": False, "history": _written(items)}
            self._tell("more", "/recommendations", body, {0: (story, items)}, again=self._perhaps())

    def rate(self) -> None:
        chosen = [story for _ in range(self.chance.randint(1, 4)) if (story := self._one())]
        told = {id(story): (story, self._items(story, 1)) for story in chosen}
        if self.chance.random() < 0.15:
            story = self._begun(f"w{self.number}-{len(self.stories)}")
            told[id(story)] = (story, {self._movie(story): Said(3.5, story.mark)})
        ratings = [
            {**({"external_id": s.name} if s.name else {"user_id": s.user_id}), **item}
            for s, items in told.values()
            for item in _written(items)
        ]
        if ratings:
            self._tell("rate", "/ratings", {"ratings": ratings}, told, again=self._perhaps())

    def leave(self) -> None:
        story = self._one()
        alive = sum(story.usable for story in self.stories[-4 * USERS :])
        if story is None or story.user_id is None or story.doubtful or alive < USERS // 4:
            return
        for attempt in range(TRIES):
            answer = self._ask("DELETE", f"/users/{story.user_id}", "delete")
            if answer.status == 404 and attempt == 0:
                self.wrong.append(f"user {story.user_id} was acknowledged and is not known")
            if answer.status in (204, 404):
                story.gone = True
                return
            self._wait()
        story.leaving = True

    def look(self) -> None:
        """What one process has acknowledged, the other one tells."""
        story = self._one()
        if story is None or story.user_id is None:
            return
        page = {"limit": HISTORY_PAGE}
        answer = self._ask("GET", f"/users/{story.user_id}/history", "look", params=page)
        if answer.status == 404:
            self.wrong.append(f"user {story.user_id} was acknowledged and is not known")
        if answer.status != 200 or answer.body["total"] > HISTORY_PAGE:
            return
        there = {row["movie_id"]: row["rating"] for row in answer.body["history"]}
        for movie_id, pair in story.ratings.items():
            if pair.sure and not pair.perhaps and there.get(movie_id) != pair.sure.rating:
                self.wrong.append(
                    f"user {story.user_id}: {movie_id} is told as {there.get(movie_id)}, {pair}"
                )

    def _tell(
        self,
        what: str,
        path: str,
        body: Any,
        told: Mapping[int, tuple[Story, dict[int, Said]]],
        headers: Mapping[str, str] | None = None,
        *,
        again: bool,
    ) -> Any:
        """The answer, once it is acknowledged."""
        for story, items in told.values():
            story.tell(items)
        for attempt in range(TRIES if again else 1):
            answer = self._ask("POST", path, what, body, headers)
            if answer.stored:
                for story, items in told.values():
                    story.confirm(items, again=attempt > 0)
                self.versions.add(answer.body.get("model_version"))
                return answer.body
            for story, _ in told.values():
                story.doubtful = True
            self._wait()
        return None

    def _ask(
        self,
        method: str,
        path: str,
        what: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
    ) -> Answer:
        api, began = self.chance.randrange(len(self._https)), time.monotonic()
        try:
            got = self._https[api].request(method, path, json=body, headers=headers, params=params)
            answer = Answer(got.status_code, got.json() if got.content else None)
            trouble = "" if got.is_success else got.text[:300]
        except httpx.HTTPError as error:
            answer, trouble = Answer(0, None), type(error).__name__
        self.events.append(Event(began, time.monotonic(), api, what, answer.status, answer.stored, trouble))
        return answer

    def _one(self) -> Story | None:
        alive = [story for story in self.stories[-4 * USERS :] if story.usable and self._known(story)][
            -USERS:
        ]
        return self.chance.choice(alive) if alive else None

    @staticmethod
    def _known(story: Story) -> bool:
        return story.name is not None or story.user_id is not None

    def _items(self, story: Story, size: int) -> dict[int, Said]:
        """Half of the users tell when: now, which is later than what they told before."""
        told = datetime.now(UTC) if story.mark.second % 2 else None
        return {self._movie(story): Said(self._stars(), told) for _ in range(size)}

    def _movie(self, story: Story) -> int:
        """One of few, so that much is rated again, but for what the user is known by."""
        first = next(iter(story.ratings), None)
        start = int(story.mark.timestamp()) * PRIME % (len(self.movie_ids) - NEAR)
        near = [movie_id for movie_id in self.movie_ids[start : start + NEAR] if movie_id != first]
        return self.chance.choice(near)

    def _stars(self) -> float:
        return self.chance.randint(1, 10) / 2

    def _perhaps(self) -> bool:
        return self.chance.random() < 0.5

    def _wait(self) -> None:
        time.sleep(self.chance.uniform(*AGAIN_S))


def _written(items: Mapping[int, Said]) -> list[dict[str, Any]]:
    return [
        {"movie_id": movie_id, "rating": said.rating} | ({"rated_at": said.at.isoformat()} if said.at else {})
        for movie_id, said in items.items()
    ]


def stories(writers: Sequence[Writer]) -> Iterator[Story]:
    return (story for writer in writers for story in writer.stories)
