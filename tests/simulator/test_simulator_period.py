"""marquee-simulate days: the same viewers live on from day to day."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

import recommender
from recommender.daily.fetching import fetch
from recommender.daily.loading import LoadReport, load
from recommender.daily.processing import process
from recommender.local.urls import PerRole
from simulator import period
from simulator.cli import main
from simulator.days import MANIFEST, PLANTED, seal
from simulator.faults import KINDS, Faults
from simulator.history import movies_of
from simulator.households import Population
from simulator.lives import RHYTHM, Stay, World, counts, lived
from simulator.period import SPOOL
from tests.recommender.incoming import DAY, KEY, Days, silent

STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"
NEXT = date(2026, 2, 1)  # after DAY
Row = list[str]


def run(out: Path, *more: object) -> Result:
    words = ["days", "--movies", STARTER, "--out", out, "--client", "acme", "--scale", 3, *more]
    return CliRunner().invoke(main, [str(word) for word in words])


def wrote(out: Path, first: str, last: str, *more: object) -> dict[str, bytes]:
    done = run(out, "--from", first, "--to", last, *more)
    assert done.exit_code == 0, done.output
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def ratings(out: Path, client: str = "acme") -> Iterator[tuple[str, Row]]:
    for path in sorted(out.glob(f"*/{client}/ratings.csv")):
        for line in path.read_text().splitlines()[1:]:
            yield path.parent.parent.name, line.split(",")


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("weeks")
    wrote(out, "2026-01-05", "2026-01-18", "--viewers", 300, "--bots", 0.05)
    return out


def test_each_rating_is_of_its_day_and_a_user_rates_a_movie_once(weeks: Path) -> None:
    pairs: Counter[tuple[str, str]] = Counter()
    for day, (user, movie, _, time) in ratings(weeks):
        assert datetime.fromtimestamp(int(time), UTC).date().isoformat() == day
        pairs[user, movie] += 1
    assert set(pairs.values()) == {1}


def test_viewers_join_come_back_and_stop(weeks: Path) -> None:
    days: dict[str, list[str]] = {}
    for day, (user, *_) in ratings(weeks):
        days.setdefault(user, []).append(day)
    firsts, lasts = Counter(min(seen) for seen in days.values()), Counter(max(seen) for seen in days.values())
    assert len(firsts) > 10  # days on which somebody joins
    assert firsts["2026-01-05"] > 100
    assert sum(len(set(seen)) > 1 for seen in days.values()) > 60
    assert lasts["2026-01-18"] < len(days) / 2


def test_as_much_is_rated_as_asked_by_the_rhythm_of_the_week() -> None:
    rng, here = np.random.default_rng(7), Stay(0.0, 100.0, 0)
    weeks = [counts(here, a_day=5.0, first=7, rhythm=RHYTHM, rng=rng) for _ in range(3_000)]
    assert np.mean(weeks, axis=0) == pytest.approx(5 * RHYTHM, rel=0.04)


def test_the_rhythm_begins_on_the_day_of_the_opening() -> None:
    people = Population(movies_of(STARTER.read_bytes(), "movies.csv", 7), 7)
    thursday = World(people, date(2026, 1, 8))
    days = [day for user in range(1, 400) for day, _ in lived(thursday, user, date(2026, 2, 5)) if day > 6]
    a_day = np.bincount((np.array(days) + 3) % 7, minlength=7)  # Monday first
    assert a_day[4:].mean() > 1.15 * a_day[:4].mean()


def test_however_much_is_rated_times_increase_and_stay_within_the_day() -> None:
    people = Population(movies_of(STARTER.read_bytes(), "movies.csv", 7), 7, bots=0.5)
    world = World(people, date(2026, 1, 8), scale=100)
    most = 0
    for user in range(1, 21):
        for day, rated in lived(world, user, date(2026, 1, 22)):
            assert (np.diff(rated.times) > 0).all()
            assert set((rated.times - world.first_second) // 86_400) == {day}
            most = max(most, len(rated))
    assert most > 500


def test_two_runs_over_a_period_write_what_one_writes(weeks: Path, tmp_path: Path) -> None:
    words = ("--viewers", 300, "--bots", 0.05, "--opening", "2026-01-05")
    wrote(tmp_path, "2026-01-05", "2026-01-08", *words)
    assert wrote(tmp_path, "2026-01-09", "2026-01-18", *words) == contents(weeks)


def test_a_run_that_broke_off_goes_on_and_leaves_sealed_days_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("2026-01-05", "2026-01-09", "--viewers", 40, "--faults", 0.2)
    whole, broken = wrote(tmp_path / "a", *words), tmp_path / "b"

    def stops(place: Path, day: date, source: str) -> None:
        if day == date(2026, 1, 7):
            raise KeyboardInterrupt
        seal(place, day, source)

    with monkeypatch.context() as patched:
        patched.setattr(period, "seal", stops)
        assert run(broken, "--from", words[0], "--to", words[1], *words[2:]).exit_code == 1
    assert (broken / SPOOL).exists()
    sealed = [broken / day / MANIFEST for day in ("2026-01-05", "2026-01-06")]
    before = [path.stat().st_mtime_ns for path in sealed]
    done = run(broken, "--from", words[0], "--to", words[1], *words[2:])
    assert done.stdout.count("sealed before, left alone") == 2
    assert [path.stat().st_mtime_ns for path in sealed] == before
    assert contents(broken) == whole


@pytest.mark.parametrize("other", [("--seed", 8), ("--from", "2026-01-06")])
def test_a_spool_of_another_plan_is_not_used(
    other: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    words = ("2026-01-05", "2026-01-07", "--opening", "2026-01-05", "--viewers", 20)
    with monkeypatch.context() as patched:
        patched.setattr(period, "seal", stops)
        run(tmp_path / "a", "--from", words[0], "--to", words[1], *words[2:], *other)
    assert (tmp_path / "a" / SPOOL).exists()
    assert wrote(tmp_path / "a", *words) == wrote(tmp_path / "b", *words)


def test_half_of_the_faults_come_from_senders_that_spoil_every_row_alike() -> None:
    faults, users = Faults(0.2, 7, senders=0.5), np.repeat(np.arange(1, 2_001), 20)
    spoiled = list(faults.spoiled([b"1,2,3.5,1767600000\n"] * len(users), users, 1))
    wrong = np.array([line != b"1,2,3.5,1767600000\n" for line in spoiled]).reshape(2_000, 20)
    broken = wrong.all(axis=1)
    assert wrong.mean() == pytest.approx(0.2, abs=0.02)
    assert broken.mean() == pytest.approx(0.1, abs=0.02)
    rows = [{spoiled[20 * user + n] for n in range(20)} for user in np.flatnonzero(broken)]
    assert all(len(alike) == 1 for alike in rows)
    assert sum(faults.planted.values()) == wrong.sum()


def test_clients_have_users_of_their_own(tmp_path: Path) -> None:
    wrote(tmp_path, "2026-01-05", "2026-01-05", "--client", "other", "--viewers", 30)
    users = [{row[0] for _, row in ratings(tmp_path, client)} for client in ("acme", "other")]
    assert users[0] and users[1] and not users[0] & users[1]


def test_the_platform_refuses_what_was_planted_by_rule_and_loads_the_rest_day_by_day(
    engines: PerRole[Engine], tmp_path: Path
) -> None:
    days, out = Days.at(engines, tmp_path), tmp_path / "data" / "simulation_data"
    odd = ("--faults", 0.1, "--households", 0.3, "--bots", 0.1, "--viewers", 120)
    wrote(out, str(DAY), str(NEXT), *odd)
    good = 0
    for day in (DAY, NEXT):
        planted = json.loads((out / str(day) / PLANTED).read_text())["clients"]["acme"]
        (found,) = loaded(days, day).clients
        assert {rule.value: count for rule, count in found.rejected.items()} == planted["faults"]
        assert set(planted["faults"]) == set(KINDS)
        counts = found.counts
        assert (counts.read, counts.unchanged, counts.superseded) == (planted["rows"], 0, 0)
        assert counts.loaded == planted["rows"] - sum(planted["faults"].values())
        good += counts.loaded
    with engines.admin.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM movies_users_rating")) == good > 700


def loaded(days: Days, day: date) -> LoadReport:
    fetch(days.data, day, silent)
    process(
        days.engines.pipeline,
        days.data,
        days.models,
        str(day),
        reject_limit=1.0,
        tombstone_key=KEY,
        progress=silent,
    )
    return load(days.engines.pipeline, days.data, str(day), datetime(2026, 2, 2, tzinfo=UTC), KEY, silent)


@pytest.mark.parametrize(
    "words", [("2026-01-05", "2026-01-04"), ("2026-01-05", "2026-01-06", "--opening", "2026-01-06")]
)
def test_a_period_that_ends_before_it_begins_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    first, last, *more = words
    assert run(tmp_path / "out", "--from", first, "--to", last, *more).exit_code == 2
    assert not (tmp_path / "out").exists()
