"""Traffic on Locust: a Locust user is a viewer, who comes when she likes and not when the last answer did."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

import click

from simulator.account import opened
from simulator.bench_tables import aligned
from simulator.hours import DAY_S
from simulator.traffic.login import Login
from simulator.traffic.tape import Exchange, Tape
from simulator.traffic.town import Resident, Town
from simulator.traffic.visit import Reply, visit

HOST = "127.0.0.1"
BEGINS = 1_767_571_200  # Monday 5 January 2026, whatever the day: the same seed is the same evenings
ALL_THERE_S = 2.0  # after so long every viewer sits at home, unless that is more a second than Locust likes
FASTEST = 100.0
UNAUTHORIZED = 401
PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Settings:
    url: str
    logins: tuple[tuple[str, str], ...]
    viewers: int
    days: float
    compress: float  # simulated seconds in a second
    hour: float  # of the day at which it begins
    seed: int
    web: int | None  # the port of Locust's UI
    tape: str | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        return cls(**{**record, "logins": tuple((name, password) for name, password in record["logins"])})

    def record(self) -> dict[str, Any]:
        return asdict(self)


class Drive:
    """What all viewers of a run share. Locust has made `time.sleep` let the others go on."""

    def __init__(self, settings: Settings, tape: IO[str] | None) -> None:
        self._settings, self._tape = settings, Tape(tape) if tape else None
        self.logins = [Login(*login) for login in settings.logins]
        with opened(settings.url) as account:
            account.sign_in(*settings.logins[0])
            self.town = Town(account.catalogue(), settings.seed, len(self.logins))
        self.hours: Counter[int] = Counter()  # lists asked for, by hour of the day
        self._began = time.monotonic()

    @property
    def had_each_hour(self) -> bool:
        return self.second - self._settings.hour * 3_600 >= DAY_S and bool(self.hours)

    @property
    def second(self) -> float:
        """Simulated, after the midnight before the beginning."""
        return self._settings.hour * 3_600 + (time.monotonic() - self._began) * self._settings.compress

    def lasts(self, simulated_s: float) -> float:
        return simulated_s / self._settings.compress

    def wait(self, simulated_s: float) -> None:
        time.sleep(self.lasts(simulated_s))

    def visit(self, resident: Resident, http: Any) -> None:
        """`http` is a Locust user's client."""
        self.hours[int(self.second % DAY_S // 3_600)] += 1
        login = self.logins[resident.client]

        def send(method: str, path: str, body: Mapping[str, Any]) -> Reply:
            return login.sent(lambda token: self._asked(resident, http, token, method, path, body), post)

        def post(path: str, form: Mapping[str, str]) -> Reply:
            with http.post(path, data=form, catch_response=True) as answer:
                return Reply.of(answer)

        visit(resident, BEGINS + int(self.second), send, self.wait)

    def _asked(
        self, resident: Resident, http: Any, token: str, method: str, path: str, body: Mapping[str, Any]
    ) -> Reply:
        headers, began = {"Authorization": f"Bearer {token}"}, time.monotonic()
        with http.request(method, path, json=body, headers=headers, catch_response=True) as answer:
            reply = Reply.of(answer)
            if reply.status == UNAUTHORIZED:
                answer.success()  # tokens run out
        if self._tape:
            at, ms = round(began - self._began, 4), round(1000 * (time.monotonic() - began), 2)
            exchange = Exchange(at, resident.client, method, path, body, reply.status, ms, reply.body)
            self._tape.write(exchange)
        return reply


def viewer_class(base: Any, drive: Drive, url: str) -> Any:
    """Made here, so that the types are checked without Locust too."""
    numbers = count(1)

    def on_start(user: Any) -> None:
        user.client.trust_env = False
        user.resident = drive.town.resident(next(numbers))
        user.wait()

    def visits(user: Any) -> None:
        drive.visit(user.resident, user.client)

    def wait_time(user: Any) -> float:
        return drive.lasts(user.resident.waits(drive.second))

    parts = {"host": url, "tasks": [visits], "on_start": on_start, "wait_time": wait_time}
    return type("Viewer", (base,), parts)


def drive(settings: Settings, base: Any, environment: Any) -> int:
    """Locust's HttpUser and Environment are given; the exit status."""
    if settings.tape is None:
        return _driven(settings, base, environment, None)
    with Path(settings.tape).open("w", encoding="utf-8") as tape:
        return _driven(settings, base, environment, tape)


def _driven(settings: Settings, base: Any, environment: Any, tape: IO[str] | None) -> int:
    run = Drive(settings, tape)
    locust = environment(user_classes=[viewer_class(base, run, settings.url)])
    runner = locust.create_local_runner()
    if settings.web:
        locust.create_web_ui(HOST, settings.web)
        click.echo(f"Locust's page: http://{HOST}:{settings.web}")
    runner.start(settings.viewers, spawn_rate=min(FASTEST, max(1.0, settings.viewers / ALL_THERE_S)))
    try:
        run.wait(settings.days * DAY_S)
    except KeyboardInterrupt:
        click.echo("Ended early.")
    finally:
        runner.quit()
    click.echo(summary(run, locust.stats))
    return int(locust.stats.total.num_failures > 0)


def summary(run: Drive, stats: Any) -> str:
    rows = [["request", "sent", "failed", *(f"p{100 * p:g} ms" for p in PERCENTILES)]]
    for (name, method), entry in sorted(stats.entries.items()):
        taken = [f"{entry.get_response_time_percentile(p):.0f}" for p in PERCENTILES]
        rows.append([f"{method} {name}", str(entry.num_requests), str(entry.num_failures), *taken])
    again = sum(login.signed_in for login in run.logins)
    said = [aligned(rows), f"{again:,} sign-ins of {len(run.logins):,} clients"]
    if run.had_each_hour:
        busiest, quietest = (
            max(run.hours, key=run.hours.__getitem__),
            min(range(24), key=run.hours.__getitem__),
        )
        said.append(
            f"Most lists were asked for after {busiest:02}:00 ({run.hours[busiest]:,}),"
            f" fewest after {quietest:02}:00 ({run.hours[quietest]:,})"
        )
    return "\n".join(said)
