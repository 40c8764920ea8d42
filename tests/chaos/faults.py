"""What is done to the platform. Each fault lasts for a while, and tells when all was back."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from jose import jwt
from sqlalchemy import text

from recommender.errors import Failed
from tests.api.conftest import KEYS
from tests.chaos.dag_nights import DagNights
from tests.chaos.ground import Ground
from tests.chaos.models import FILE, HARMS, Models, load_failures
from tests.chaos.night import Nights

LOADED_S = 80.0  # for a process to load the champion: what it could not load is tried again after a minute
LOOK_S = 0.1
ATTEMPTS_S = 20.0  # to meet a verb at work


@dataclass
class Episode:
    """A fault. `back`: when whoever was harmed could answer again; None while it lasts."""

    name: str
    began: float
    back: float | None = None
    database: bool = False  # may be answered with 503
    files: bool = False  # a verb may fail
    api: int | None = None  # whose connections may break
    note: str = ""
    wrong: list[str] = field(default_factory=list)


@dataclass
class Faults:
    ground: Ground
    nights: Nights
    token: str
    chance: random.Random
    episodes: list[Episode] = field(default_factory=list)

    def all(self) -> dict[str, Callable[[], None]]:
        found = {
            "api killed": self.kill_api,
            "postgres killed": lambda: self.end_postgres("postgres killed", signal.SIGKILL),
            "postgres ended at once": lambda: self.end_postgres("postgres ended at once", signal.SIGQUIT),
            "postgres paused": self.pause_postgres,
            "backends in bursts": self.bursts,
            "users locked": self.lock_users,
            "verb killed": self.kill_verb,
            "damaged model published": self.damage_store,
            "damaged cache": self.damage_cache,
            "skewed clocks": self.skew_clocks,
        }
        if isinstance(self.nights, DagNights):
            found["airflow killed"] = self.kill_airflow
        if all(disk.mounted for disk in self.ground.disks.values()):
            found |= {"disk of postgres full": self.fill_postgres, "disk of files full": self.fill_files}
        return found

    @contextmanager
    def episode(self, name: str, **of: Any) -> Iterator[Episode]:
        episode = Episode(name, time.monotonic(), **of)
        self.episodes.append(episode)
        try:
            yield episode
        finally:
            episode.back = episode.back or time.monotonic()

    def hold(self, shortest: float, longest: float) -> float:
        seconds = self.chance.uniform(shortest, longest)
        time.sleep(seconds)
        return seconds

    def kill_api(self) -> None:
        api = self.chance.choice(self.ground.apis)
        with self.episode("api killed", api=api.number) as episode:
            api.kill()
            self.hold(0, 2)
            began = time.monotonic()
            api.start()
            episode.note = f"process {api.number}, ready after {time.monotonic() - began:.1f} s"

    def end_postgres(self, name: str, by: signal.Signals) -> None:
        with self.episode(name, database=True) as episode:
            self.ground.end_postgres(by)
            away = self.hold(0.2, 4)
            began = time.monotonic()
            self.ground.server.start()
            episode.back = time.monotonic()
            episode.note = f"away for {away:.1f} s, accepts after {episode.back - began:.1f} s"

    def pause_postgres(self) -> None:
        with self.episode("postgres paused", database=True) as episode:
            self.ground.pause(self.ground.backends())
            away = self.hold(1, 9)
            self.ground.resume()
            episode.note = f"for {away:.1f} s"

    def bursts(self) -> None:
        """Backends of the API stand still again and again."""
        with self.episode("backends in bursts", database=True) as episode:
            turns = self.chance.randint(4, 10)
            for _ in range(turns):
                pids = self.ground.backends(of_api=True)
                chosen = self.chance.sample(pids, max(1, len(pids) // 2)) if pids else []
                self.ground.pause(chosen)
                self.hold(0.1, 0.8)
                self.ground.resume(chosen)
                self.hold(0.0, 0.2)
            episode.note = f"{turns} times"

    def lock_users(self) -> None:
        with self.episode("users locked", database=True) as episode, self.ground.admin.begin() as connection:
            connection.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
            episode.note = f"for {self.hold(1, 6):.1f} s"

    def kill_verb(self) -> None:
        with self.episode("verb killed", files=True) as episode:
            deadline, met = time.monotonic() + ATTEMPTS_S, None
            while met is None and time.monotonic() < deadline:
                self.hold(0.1, 1.5)
                met = self.nights.kill()
            episode.note = met or "none was at work"

    def kill_airflow(self) -> None:
        assert isinstance(self.nights, DagNights)
        with self.episode("airflow killed", files=True) as episode:
            episode.note = self.nights.kill_service()

    def fill_postgres(self) -> None:
        """Whether Postgres goes on by itself depends on which of its files finds no room first."""
        disk = self.ground.disks["postgres"]
        with self.episode("disk of postgres full", database=True, files=True) as episode:
            disk.fill()
            self.hold(5, 12)
            disk.free()
            try:
                self.ground.server.wait_until_ready()
                episode.note = "Postgres went on"
            except Failed:
                self.ground.server.start()
                episode.note = "Postgres had ended"
            episode.back = time.monotonic()

    def fill_files(self) -> None:
        disk = self.ground.disks["files"]
        with self.episode("disk of files full", files=True) as episode:
            disk.fill()
            episode.note = f"for {self.hold(3, 8):.1f} s"
            disk.free()

    def damage_store(self) -> None:
        """A version whose files are damaged is made the champion, behind the verb that would refuse it."""
        models = Models(self.ground)
        with self.nights.between_verbs(), self.episode("damaged model published") as episode:
            good = models.champion()
            for api in self.ground.apis:
                self._wait(lambda: api.model() == good, episode, "the champion does not serve")  # noqa: B023
            damaged = models.copy_damaged(good)
            failures = [load_failures(api) for api in self.ground.apis]
            models.publish(damaged, replaced=good)
            for api, before in zip(self.ground.apis, failures, strict=True):
                self._wait(lambda: load_failures(api) > before, episode, "the damage was not noticed")  # noqa: B023
                if api.model() != good:
                    episode.wrong.append(f"process {api.number} serves {api.model()}, not {good}")
            models.publish(good, replaced=damaged)
            models.make_old(damaged)
            episode.note = f"{damaged} refused, {good} served on"

    def damage_cache(self) -> None:
        """While its process is down: what is mapped would change under it."""
        api, models = self.chance.choice(self.ground.apis), Models(self.ground)
        with self.nights.between_verbs(), self.episode("damaged cache", api=api.number) as episode:
            good = models.champion()
            file = api.cache / good / FILE
            self._wait(lambda: api.model() == good, episode, "the champion does not serve")
            api.kill()
            harm = self.chance.choice(HARMS)
            if file.exists():  # it may have made room for versions that were fetched later
                harm(file)
            api.start()
            episode.back = time.monotonic()
            self._wait(lambda: api.model() == good, episode, "it does not serve the champion again")
            if not file.exists() or file.read_bytes() != models.original(good):
                episode.wrong.append(f"{file} is still damaged")
            episode.note = f"{harm.__name__}, fetched again"

    def skew_clocks(self) -> None:
        """Tokens that other machines signed, whose clocks are wrong."""
        key_id, _, secret = KEYS.split(",")[0].partition(":")
        client = jwt.get_unverified_claims(self.token)
        with self.episode("skewed clocks") as episode:
            for said, (issued, expires, key, wanted) in {
                "an hour ahead": (3600, 7200, secret, 200),
                "an hour behind, and over": (-7200, -3600, secret, 401),
                "over for a minute": (-3600, -60, secret, 401),
                "over for three seconds": (-3600, -3, secret, 200),
                "of another key": (0, 3600, secret[::-1], 401),
            }.items():
                now = int(time.time())
                claims = client | {"iat": now + issued, "exp": now + expires}
                token = jwt.encode(claims, key, "HS256", headers={"kid": key_id})
                for api in self.ground.apis:
                    headers = {"Authorization": f"Bearer {token}"}
                    got = httpx.get(f"{api.url}/client", headers=headers, trust_env=False).status_code
                    if got != wanted:
                        episode.wrong.append(f"a token {said} is answered with {got}, not {wanted}")
            episode.note = "five tokens to each process"

    @staticmethod
    def _wait(until: Callable[[], bool], episode: Episode, trouble: str) -> None:
        deadline = time.monotonic() + LOADED_S
        while not until():
            if time.monotonic() > deadline:
                episode.wrong.append(f"after {LOADED_S:g} s: {trouble}")
                return
            time.sleep(LOOK_S)
