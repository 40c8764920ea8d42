"""`marquee bench train` and `bench fold-in` on very little, and the made-up data that they measure on."""

import json
import os
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from recommender.bench import training
from recommender.bench.apart import apart, cost, memory_mb
from recommender.bench.fold_in import LIST, PRODUCT, REASONS
from recommender.bench.speed import training_report
from recommender.bench.synthetic import World, catalogue, made
from recommender.bench.training import ALS, COUNT, DAY, FIT, REFIT
from recommender.cli import main
from recommender.errors import Failed
from recommender.model import DEFAULTS
from recommender.statistics import summed, updated

FEW = ("--titles", "60", "--ratings", "2000", "--ratings-per-user", "20")


def _run(*words: str) -> str:
    result = CliRunner().invoke(main, ["bench", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def world() -> World:
    return made(titles=60, ratings=10_000, per_user=20)


def _pairs(world: World) -> dict[str, dict[tuple[int, int], float]]:
    return {
        day: dict(
            zip(zip(table.users.tolist(), table.movie_ids.tolist(), strict=True), table.ratings, strict=True)
        )
        for day, table in (("yesterday", world.yesterday), ("today", world.today))
    }


def test_a_day_has_new_ratings_changed_ones_and_new_users(world: World) -> None:
    yesterday, today = _pairs(world).values()
    assert len(today) == len(world.today.users)  # nobody rates a title twice
    changed = {pair for pair in today if yesterday.get(pair) != today[pair]}
    assert len(changed) == world.day_rows and yesterday.keys() <= today.keys()
    assert {user for user, _ in changed} == set(world.touched.tolist())
    assert {pair for pair in changed if pair in yesterday}
    known = set(world.yesterday.users.tolist())
    assert {user for user, _ in changed} - known and {user for user, _ in changed} & known
    assert world.day_rows == pytest.approx(0.001 * len(today), rel=3)


def test_the_same_seed_makes_the_same_world(world: World) -> None:
    again, other = made(60, 10_000, 20), made(60, 10_000, 20, seed=1)
    assert again.today.ratings.tobytes() == world.today.ratings.tobytes()
    assert other.today.ratings.tobytes() != world.today.ratings.tobytes()


def test_a_tenth_of_the_titles_has_a_third_of_the_ratings() -> None:
    first = (made(1000, 20_000, 20).today.movie_ids < 100).mean()
    assert 0.28 < first < 0.35  # the square root of a tenth, less what was drawn twice


def test_every_title_has_two_genres() -> None:
    assert catalogue(200).genre_matrix.sum(axis=1).tolist() == [2] * 200


def test_a_day_gives_the_statistics_of_a_count_from_scratch(world: World) -> None:
    how = DEFAULTS.values, DEFAULTS.dense_limit
    before, today = (summed(*table.rows, *how) for table in (world.yesterday, world.today))
    old, new = (table.of(world.touched).rows for table in (world.yesterday, world.today))
    after = updated(before, old, new, *how, lambda _: world.today.rows)
    assert after.products.tobytes() == today.products.tobytes()
    assert after.products.tobytes() != before.products.tobytes()
    assert after.counts.tolist() == today.counts.tolist()


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run("train", *FEW, "--json"))
    return found


def test_each_part_has_its_costs_and_what_they_add_up_to(found: dict[str, Any]) -> None:
    parts, together, ratios = found["parts"], found["together"], found["ratios"]
    assert set(parts) - {ALS} == {COUNT, FIT, DAY, REFIT}
    assert (ALS in parts) == training.can_measure_als() == ("als" in ratios)
    for measure in ("wall_s", "cpu_s"):
        assert together["full"][measure] == parts[COUNT][measure] + parts[FIT][measure]
        ratio = ratios["day"][measure.removesuffix("_s")]
        assert ratio == pytest.approx(together["day"][measure] / together["full"][measure])
    assert all(part["peak_mb"] is None or 0 < part["held_mb"] <= part["peak_mb"] for part in parts.values())
    assert found["about"]["dtype"] == "int32" and found["about"]["threads"] >= 1


def test_a_person_reads_a_table_and_what_explains_it(found: dict[str, Any]) -> None:
    said = training_report(found)
    for told in (COUNT, FIT, DAY, REFIT, "a day / ours", "float64", "int32", "byte for byte", "Memory"):
        assert told in said
    assert f"{found['ratios']['day']['wall']:.2f}" in said


@pytest.mark.parametrize("other", [{DAY: {"digest": "b"}}, {REFIT: {"version": "2"}}])
def test_a_day_that_comes_to_something_else_is_not_reported(other: dict[str, dict[str, str]]) -> None:
    same = {COUNT: {"digest": "a"}, DAY: {"digest": "a"}, FIT: {"version": "1"}, REFIT: {"version": "1"}}
    training._check(same)
    with pytest.raises(Failed, match="not"):
        training._check({**same, **other})


def test_a_part_that_ends_without_an_answer_is_said() -> None:
    with pytest.raises(Failed, match="_exit ended with 9"):
        apart(os._exit, 9)


@pytest.mark.skipif(memory_mb("VmHWM") is None, reason="the system does not tell")
def test_the_peak_is_that_of_the_work() -> None:
    made, spent = cost(lambda: np.ones(200_000_000 // 8).sum())
    assert made == 25_000_000 and spent.wall_s > 0
    assert spent.peak_mb is not None and spent.held_mb is not None and spent.peak_mb > spent.held_mb + 150


def test_a_list_is_measured_beside_the_bare_product() -> None:
    found = json.loads(_run("fold-in", "--titles", "80", "--history", "10", "--lists", "3", "--json"))
    assert all(found["ms"][name] > 0 for name in (PRODUCT, LIST, REASONS))
    assert found["ratios"][LIST] == pytest.approx(found["ms"][LIST] / found["ms"][PRODUCT])
    assert "times the product" in _run("fold-in", "--titles", "80", "--lists", "1")
