"""What is taken, and what is not, by measurements that are made up."""

from collections.abc import Sequence

import numpy as np
import pytest

from recommender.evaluation import Case
from recommender.history import History
from recommender.model import DEFAULTS, Parameters
from recommender.tuning.search import Compared, Measured, search
from recommender.tuning.steps import CHOSEN, Step, ranks_near, steps
from recommender.tuning.trials import Trial

NOISE = np.random.default_rng(0).normal(0, 0.1, 200)
EMPTY = np.empty(0, np.int32)


def _trial(name: str) -> Trial:
    cases = tuple(Case(user, History.of([]), np.array([1])) for user in range(len(NOISE)))
    return Trial(name, name.split()[0], EMPTY, EMPTY, EMPTY.astype(np.float32), cases)


TRIALS = [_trial("strong 1"), _trial("temporal")]


def _measured(strong: float, temporal: float) -> Measured:
    base = 0.3 + NOISE
    return {
        "strong 1": list(base + strong + NOISE[::-1] / 4),
        "temporal": list(base + temporal + np.roll(NOISE, 7) / 4),
    }


START = {trial.name: list(0.3 + NOISE) for trial in TRIALS}
ERROR = float(np.std(NOISE / 4, ddof=1) / np.sqrt(len(NOISE)))


@pytest.mark.parametrize(
    ("strong", "temporal", "better"),
    [
        *((3, 3, True), (3, 0, True), (0, 3, True)),
        *((0, 0, False), (0.5, 0.5, False)),  # within noise
        *((9, -2, False), (-2, 9, False)),  # at the price of the other
        (-3, -3, False),
    ],
)
def test_a_gain_is_more_than_noise_and_nobodys_loss(strong: float, temporal: float, better: bool) -> None:
    centre = float(NOISE.mean()) / 4  # so that the gains are the ones asked for
    measured = _measured(strong * ERROR - centre, temporal * ERROR - centre)
    found = Compared.of(TRIALS, measured, START)
    assert found.better is better
    assert found.gains["strong"].gain == pytest.approx(strong * ERROR, abs=1e-9)
    assert found.gains["strong"].error == pytest.approx(ERROR, rel=1e-6)


def test_the_same_user_twice_tells_no_more_than_once() -> None:
    twice = [_trial("strong 1"), _trial("strong 2")]
    once = {"strong 1": START["strong 1"], "strong 2": START["strong 1"]}
    after = {name: _measured(0.01, 0)["strong 1"] for name in once}
    found = Compared.of(twice, after, once).gains["strong"]
    alone = Compared.of(twice[:1], after, once).gains["strong"]
    assert found.error == pytest.approx(alone.error)


def _search(gains: dict[str, float]) -> tuple[Parameters, list[str], list[Parameters]]:
    """Gains of both protocols, by what of the parameters differs from the defaults."""
    asked: list[Parameters] = []

    def measure(candidates: Sequence[Parameters], kept: Parameters) -> list[Measured]:
        asked.extend(candidates)
        found = []
        for one in candidates:
            gain = sum(gains.get(f"{name}={getattr(one, name)}", 0.0) for name in ("ridge", "rank"))
            found.append(_measured(gain, gain) if gain else START)
        return found

    plan = [
        Step("ridge", ({"ridge": 10.0}, {"ridge": 27.0}, {"ridge": 40.0})),
        Step("rank", ({"rank": None}, {"rank": 16}, {"rank": 64})),
    ]
    found = search(TRIALS, plan, measure, DEFAULTS)
    return found.parameters, [one.step for one in found.taken], asked


def test_the_best_of_a_step_is_taken_and_the_next_step_starts_from_it() -> None:
    parameters, taken, asked = _search({"ridge=10.0": 0.02, "ridge=40.0": 0.04, "rank=64": 0.02})
    assert (parameters.ridge, parameters.rank, taken) == (40.0, 64, ["ridge", "rank"])
    assert Parameters(ridge=40.0, rank=16) in asked and Parameters(rank=16) not in asked


def test_where_nothing_is_better_the_defaults_stay() -> None:
    assert _search({"ridge=10.0": -0.02, "rank=16": -0.04})[:2] == (DEFAULTS, [])


def test_every_step_tries_the_defaults_too_and_changes_only_what_is_kept() -> None:
    plan = steps(208)
    assert {name for step in plan for option in step.options for name in option} == set(CHOSEN)
    for step in plan:
        assert any(all(getattr(DEFAULTS, n) == v for n, v in option.items()) for option in step.options)
    assert ranks_near(208) == (96, 144, 288) and ranks_near(32) == (16, 16, 48)


def test_a_table_for_histories_without_low_ratings_is_tried() -> None:
    assert {"values": (0.0, 0.0, 0.0, 1.0, 1.2)} in [o for step in steps(208) for o in step.options]
