"""A simulated day that is not like the others: spoiled rows, and tastes that have moved."""

import csv
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

import recommender
from recommender.daily.fetching import fetch
from recommender.learning.drift import MUCH, SOME, divergences
from recommender.local.urls import PerRole
from simulator.cli import main
from simulator.days import MANIFEST, PLANTED
from simulator.faults import KINDS
from simulator.history import HEADER, life, lines, movies_of
from tests.recommender.incoming import DAY, Days, silent

STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"


def run(out: Path, *more: object) -> Result:
    words = ["day", "--movies", STARTER, "--day", DAY, "--out", out, "--client", "acme", *more]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_pipeline_refuses_what_was_planted_and_nothing_else(
    engines: PerRole[Engine], tmp_path: Path
) -> None:
    days = Days.at(engines, tmp_path)
    told = run(tmp_path / "data" / "simulation_data", "--viewers", 40, "--faults", 0.3)
    planted = json.loads((tmp_path / "data" / "simulation_data" / str(DAY) / PLANTED).read_text())
    fetch(days.data, DAY, silent)
    found = days.process().about["clients"]["acme"]
    assert set(found["rejected"]) == set(KINDS)
    assert found["rejected"] == planted["clients"]["acme"]["faults"]
    assert found["read"] == planted["clients"]["acme"]["rows"]
    assert sum(found["rejected"].values()) / found["read"] == pytest.approx(0.3, abs=0.02)
    assert f"  {sum(found['rejected'].values()):,} of these rows are faulty: " in told.stdout


def test_without_the_options_viewers_keep_their_tastes_and_no_row_is_spoiled(tmp_path: Path) -> None:
    run(tmp_path, "--viewers", 10, "--seed", 7)
    movies, after = movies_of(STARTER.read_bytes(), STARTER.name, seed=7), DAY + timedelta(days=1)
    lived = [line for user in range(1, 11) for line in lines(user, life(movies, user, 7, after))]
    assert (tmp_path / str(DAY) / "acme" / "ratings.csv").read_bytes() == HEADER + b"".join(lived)


def test_the_same_seed_spoils_and_shifts_alike_and_leaves_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    changed = ("--viewers", 10, "--faults", 0.2, "--shift", 0.5)
    run(tmp_path / "a", *changed)
    run(tmp_path / "b", *changed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    run(tmp_path / "b", *changed, "--seed", 8)
    assert contents(tmp_path / "a") != contents(tmp_path / "b")
    run(tmp_path / "b", "--viewers", 10)
    assert not (tmp_path / "b" / str(DAY) / PLANTED).exists()


def test_the_list_of_faults_is_no_file_of_the_day(tmp_path: Path) -> None:
    run(tmp_path, "--viewers", 5, "--faults", 1)
    manifest = json.loads((tmp_path / str(DAY) / MANIFEST).read_text())
    assert [entry["path"] for entry in manifest["files"]] == ["acme/ratings.csv", "movies.csv"]


def liked(out: Path, *more: object) -> Counter[str]:
    """How often each genre is liked."""
    run(out, "--viewers", 200, *more)
    genres = {row["movieId"]: row["genres"].split("|") for row in rows(out / str(DAY) / "movies.csv")}
    found = rows(out / str(DAY) / "acme" / "ratings.csv")
    return Counter(genre for row in found if float(row["rating"]) >= 4 for genre in genres[row["movieId"]])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def psi(before: Counter[str], after: Counter[str]) -> float:
    every = sorted(before.keys() | after.keys())
    shares = [np.array([of[genre] for genre in every]) / of.total() for of in (before, after)]
    return divergences(*shares)[0]


@pytest.mark.parametrize("seed", [7, 12])
def test_tastes_move_further_the_larger_the_shift(tmp_path: Path, seed: int) -> None:
    """Other viewers alone are no shift."""
    usual = liked(tmp_path / "usual", "--seed", seed)
    others = liked(tmp_path / "others", "--seed", seed, "--first", 1001)
    half, whole = (liked(tmp_path / str(shift), "--seed", seed, "--shift", shift) for shift in (0.5, 1))
    assert psi(usual, others) < SOME / 2
    assert SOME < psi(usual, half) < psi(usual, whole)
    assert psi(usual, whole) > 2 * MUCH
