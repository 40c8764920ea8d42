"""python -m tests.chaos.run --minutes 20 --seed 7: harm done at random to a platform that is written to."""

import argparse
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, text

from recommender import accounts
from recommender.database import open_engine
from tests.chaos.dag_nights import DagNights
from tests.chaos.faults import Episode, Faults
from tests.chaos.ground import Ground, ground
from tests.chaos.ledger import Found, Said, breaches
from tests.chaos.night import CLIENT, Nights
from tests.chaos.verdict import Shown, Verdict, judged
from tests.chaos.writers import Writer, stories

WRITERS, CALM_S, BETWEEN_S = 6, 6.0, (0.0, 3.0)
END_S = 300.0  # for a night that is under way
_USERS = text("""
    SELECT u.user_id, u.external_id, r.movie_id, r.rating, r.rated_at
    FROM clients c JOIN users u USING (client_id) LEFT JOIN movies_users_rating r USING (user_id)
    WHERE c.username = 'acme'
""")
_LOADED = text("""
    SELECT count(*) FROM movies_users_rating JOIN clients USING (client_id) WHERE username = :client
""")
_OPEN = text("""
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marquee' AND state LIKE 'idle in trans%'
""")


@dataclass
class Run:
    ground: Ground
    chance: random.Random
    began: float = field(default_factory=time.monotonic)
    wrong: list[str] = field(default_factory=list)

    def tell(self, line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {line}\n")
        sys.stdout.flush()

    def prepare(self, nights: Nights) -> None:
        """One night, so that there is a model, and then the processes."""
        owner = open_engine(self.ground.urls.owner)
        with owner.begin() as connection:
            accounts.register(connection, CLIENT, "Viewers", "viewers@example.com", "of no password")
        owner.dispose()
        nights.night(threading.Event())
        for ran in nights.ran:
            assert ran.status == 0, ran
        for _ in range(2):
            self.ground.add_api()
        self.tell(f"two processes serve {self.ground.apis[0].model()}")

    def harm(self, faults: Faults, seconds: float, only: Sequence[str]) -> None:
        """Every kind once before any comes again."""
        kinds = {name: act for name, act in faults.all().items() if not only or name in only}
        end, waiting = time.monotonic() + seconds, list[str]()
        time.sleep(CALM_S)
        while time.monotonic() < end:
            waiting = waiting or self.chance.sample(list(kinds), len(kinds))
            name = waiting.pop()
            try:
                kinds[name]()
            except Exception as error:  # noqa: BLE001 - what was seen until then is still told
                self.wrong.append(f"{name} could not be done: {error!r}")
            self._told(faults.episodes[-1])
            time.sleep(CALM_S + self.chance.uniform(*BETWEEN_S))

    def _told(self, episode: Episode) -> None:
        said = "; ".join([episode.note, *(f"WRONG: {line}" for line in episode.wrong)])
        self.tell(f"{episode.name}: {said}")

    def look(self, nights: Nights, writers: Sequence[Writer]) -> None:
        """What is in the database, once all is quiet."""
        with self.ground.admin.connect() as connection:
            self.wrong += breaches(stories(writers), _found(connection.engine))
            loaded = connection.execute(_LOADED, {"client": CLIENT}).scalar_one()
            if loaded != nights.ratings:
                self.wrong.append(f"{nights.ratings} ratings were loaded, {loaded} are there")
            if left := connection.execute(_OPEN).scalar_one():
                self.wrong.append(f"{left} transactions are open though nobody asks")
        for api in self.ground.apis:
            if in_use := api.metric("marquee_database_pool_in_use"):
                self.wrong.append(f"process {api.number} still holds {in_use:g} connections")
        for writer in writers:
            self.wrong += writer.wrong
        self.wrong += nights.gave_up

    def served(self, writers: Sequence[Writer]) -> None:
        """No list was of a version that was never published well."""
        with self.ground.admin.connect() as connection:
            trained = set(connection.execute(text("SELECT version FROM models WHERE card <> '{}'")).scalars())
        for version in set().union(*(writer.versions for writer in writers)) - trained - {None}:
            self.wrong.append(f"lists of {version} were served")


def _found(engine: Engine) -> dict[int, Found]:
    users: dict[int, Found] = {}
    with engine.connect() as connection:
        for row in connection.execute(_USERS):
            user = users.setdefault(row.user_id, Found(row.external_id, {}))
            if row.movie_id is not None:
                user.ratings[row.movie_id] = Said(row.rating, row.rated_at)
    return users


@contextmanager
def working(tasks: Sequence[threading.Thread], stop: threading.Event) -> Iterator[None]:
    for task in tasks:
        task.start()
    try:
        yield
    finally:
        stop.set()
        for task in tasks:
            task.join(END_S)


def chaos(seconds: float, seed: int, only: Sequence[str] = (), airflow: Path | None = None) -> Verdict:
    """`airflow`: an environment that has it, as `./setup.sh local` makes it; else the verbs run without."""
    with ExitStack() as ends:
        here = ends.enter_context(ground())
        run = Run(here, random.Random(seed))
        nights = Nights(here, run.tell)
        if airflow:
            nights = dags = DagNights(here, run.tell, chance=random.Random(seed))
            ends.enter_context(dags.open(airflow))
            run.tell("Airflow runs the DAGs")
        run.prepare(nights)
        token, movie_ids = here.register(), here.movie_ids()
        urls = [api.url for api in here.apis]
        writers = [
            Writer(number, urls, token, movie_ids, random.Random(seed * 1000 + number))
            for number in range(WRITERS)
        ]
        faults = Faults(here, nights, token, run.chance)
        stop = threading.Event()
        tasks = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers]
        tasks.append(threading.Thread(target=nights.run, args=(stop,)))
        with working(tasks, stop):
            run.harm(faults, seconds, only)
        run.wrong += [f"{task.name} does not end" for task in tasks if task.is_alive()]
        run.tell("all is quiet; a last night")
        nights.night(threading.Event())
        run.look(nights, writers)
        run.served(writers)
        counts = _counts(writers, nights)
        events = [event for writer in writers for event in writer.events]
        shown = Shown(events, faults.episodes, nights.ran, len(here.apis))
        for api in here.apis:
            run.wrong += [line for line in api.log.read_text().splitlines() if "the request failed" in line]
        mark = here.folder
    run.wrong += [f"a process is left over: {stray}" for stray in here.strays()]
    run.tell(f"{mark} is gone")
    return judged(shown, run.wrong, counts)


def _counts(writers: Sequence[Writer], nights: Nights) -> dict[str, int]:
    told = list(stories(writers))
    return {
        "users acknowledged": sum(story.exists for story in told),
        "users deleted": sum(story.gone for story in told),
        "ratings acknowledged": sum(
            pair.sure is not None for s in told if not s.gone for pair in s.ratings.values()
        ),
        "nights": nights.days,
        "ratings of the nights": nights.ratings,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", action="append", default=[], help="one kind of fault; may be repeated")
    parser.add_argument("--out", type=Path, help="a file for the report as JSON")
    parser.add_argument("--airflow", type=Path, help="an environment that has Airflow, to be killed too")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # not without cleaning up
    try:
        verdict = chaos(60 * asked.minutes, asked.seed, asked.only, asked.airflow)
    except KeyboardInterrupt:
        sys.stdout.write("\nEnded, and cleaned up.\n")
        return 130
    sys.stdout.write(verdict.text() + "\n")
    if asked.out:
        told = {"minutes": asked.minutes, "seed": asked.seed, "good": verdict.good, **vars(verdict)}
        asked.out.write_text(json.dumps(told, indent=1, default=str) + "\n", encoding="utf-8")
    return not verdict.good


if __name__ == "__main__":
    sys.exit(main())
