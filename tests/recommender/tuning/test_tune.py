"""A whole run, on the small world, with fewer things to try."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from recommender.catalogue import Catalogue
from recommender.cli import main
from recommender.errors import BadInput
from recommender.evaluation import Ratings
from recommender.files import Store
from recommender.library import Recommender
from recommender.model import DEFAULTS, Parameters, parameters_of
from recommender.tuning import steps
from recommender.tuning.choice import Choice
from recommender.tuning.journal import Journal
from recommender.tuning.tune import Tuned
from recommender.tuning.tune import tune as tune_

DYING = """
import os, signal, sys
from pathlib import Path
from recommender.cli import main
from recommender.tuning import journal
from tests.recommender.tuning.test_tune import QUICK, steps

for name, options in QUICK.items():
    setattr(steps, name, options)
add = journal.Journal.add

def dying(self, *measured):
    add(self, *measured)
    if len(self._lines) == 30:
        os.kill(os.getpid(), signal.SIGKILL)

journal.Journal.add = dying
main(sys.argv[1:])
"""
QUICK: dict[str, Any] = {
    "_RIDGES": (3.0, 27.0),
    "_RANKS": (0.5,),
    "_VALUES": ((0.0, 0.2, 0.6, 1.0, 1.2), (0.0, 0.0, 0.0, 1.0, 1.2)),
    "_TASTES": ((0.0, 0.1, 0.4, 1.0, 1.5), (0.0, 0.2, 0.6, 1.0, 1.2)),
    "_FEATURE_WEIGHTS": (1.0, 2.0),
    "_RECENCY": ((5.0, 0.15), (20.0, 0.3)),
}
Frames = tuple[pd.DataFrame, pd.DataFrame]
Tune = Callable[..., Result]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, options in QUICK.items():
        monkeypatch.setattr(steps, name, options)


@pytest.fixture(scope="module")
def folder(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small-world")
    ratings, movies = frames
    ratings[ratings["userId"] < 280].to_csv(folder / "ratings.csv", index=False)
    movies.to_csv(folder / "movies.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def tune(folder: Path) -> Tune:
    return lambda *words: CliRunner().invoke(main, ["tune", "--data", str(folder), *map(str, words)])


@pytest.fixture(scope="module")
def first(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("tuned") / "parameters.json"
    with pytest.MonkeyPatch.context() as patch:
        for name, options in QUICK.items():
            patch.setattr(steps, name, options)
        words = ["--record", "-", "tune", "--data", str(folder), "--out", str(out)]
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result, out


def test_what_is_better_is_written_with_what_it_gains(first: tuple[Result, Path], folder: Path) -> None:
    written = json.loads(first[1].read_text())
    parameters, tuned = parameters_of(written), written["tuned"]
    assert parameters != DEFAULTS and tuned["data"] == folder.name
    for step in tuned["steps"]:
        assert {name: written["parameters"][name] for name in step["change"]} == step["change"]
    for gain in tuned["gains"].values():
        assert gain["gain"] == pytest.approx(gain["after"] - gain["before"])
        assert gain["gain"] >= -gain["error"]
    assert "taken: " in first[0].stdout and "held-out users: NDCG@10" in first[0].stdout
    assert json.loads(first[0].stdout.splitlines()[-1])["better"] is True


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    first: tuple[Result, Path], folder: Path, tune: Tune, tmp_path: Path
) -> None:
    out = tmp_path / "parameters.json"
    command = [sys.executable, "-c", DYING, "tune", "--data", str(folder), "--out", str(out)]
    root = Path(__file__).parents[3]
    one_thread = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    died = subprocess.run(command, cwd=root, env=one_thread, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    left = out.with_suffix(".journal").read_text().splitlines()
    assert len(left) == 30 and not out.exists()
    assert tune("--out", out).exit_code == 0
    assert out.read_bytes() == first[1].read_bytes()
    journal = out.with_suffix(".journal").read_text().splitlines()
    assert journal[:30] == left
    assert journal == first[1].with_suffix(".journal").read_text().splitlines()


def test_ctrl_c_ends_with_a_sentence_and_what_was_measured_is_kept(
    tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Journal.add

    def interrupted(self: Journal, trial: str, parameters: Any, ndcg: list[float]) -> None:
        add(self, trial, parameters, ndcg)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add", interrupted)
    out = tmp_path / "parameters.json"
    result = tune("--out", out)
    assert result.exit_code == 1 and "the same command goes on from there" in result.stderr
    assert len(out.with_suffix(".journal").read_text().splitlines()) == 2 and not out.exists()


def test_a_journal_of_other_data_or_histories_is_not_believed(tmp_path: Path) -> None:
    store, measured = Store.at(tmp_path), ("strong 1", {"ridge": 1.0})
    first = Journal(store, "a.journal")
    first.open({"digest": "1", "history": "all"})
    first.add(*measured, [0.5])
    for about, found in (({"digest": "1", "history": "all"}, [0.5]), ({"digest": "2"}, None)):
        again = Journal(store, "a.journal")
        again.open(about)
        assert again.find(*measured) == found


def test_what_lies_in_the_way_is_left_alone(tune: Tune, tmp_path: Path) -> None:
    for name in ("parameters.json", "parameters.journal"):
        (tmp_path / name).write_text('{"mine": 1}')
        result = tune("--out", tmp_path / "parameters.json")
        assert result.exit_code == 1 and name in result.stderr
        assert (tmp_path / name).read_text() == '{"mine": 1}'
        (tmp_path / name).unlink()


def test_the_parameters_do_not_go_where_the_journal_is(tune: Tune, tmp_path: Path) -> None:
    result = tune("--out", tmp_path / "own.journal")
    assert result.exit_code == 2 and "what ends in .journal" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [(), ("--reset",), ("--out", "x.json", "--day", "2026-01-01")])
def test_what_to_choose_on_is_named_once(tune: Tune, words: tuple[str, ...]) -> None:
    result = tune(*words)
    assert result.exit_code == 2 and "--data and --out" in result.stderr


def test_where_nothing_is_better_it_says_so_and_writes_the_defaults(
    tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in QUICK:
        monkeypatch.setattr(steps, name, ())
    out = tmp_path / "parameters.json"
    result = tune("--out", out)
    assert "Nothing was found that is better than the defaults beyond noise" in result.stdout
    assert parameters_of(json.loads(out.read_text())) == DEFAULTS


def test_the_library_tunes_and_serves_what_it_chose(frames: Frames, first: tuple[Result, Path]) -> None:
    ratings, movies = frames
    own = ratings[ratings["userId"] < 280]
    told: list[tuple[str, int, int]] = []
    tuned = Recommender().tune(own, movies, progress=lambda *step: told.append(step))
    assert asdict(tuned.parameters) == asdict(parameters_of(json.loads(first[1].read_text())))
    assert tuned.model.parameters == tuned.parameters and told[-1][1] == told[-1][2]
    assert tuned.model.card["tuned"]["gains"] == json.loads(first[1].read_text())["tuned"]["gains"]
    fitted = Recommender(**asdict(tuned.parameters)).fit(own, movies)
    history, times = own["movieId"].tolist()[:9], [float(i) for i in range(9)]
    assert tuned.recommend(history, None, times, 10) == fitted.recommend(history, None, times, 10)


def test_histories_of_likes_are_tuned_for(frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(QUICK) - {"_VALUES"}:
        monkeypatch.setattr(steps, name, ())
    ratings, movies = frames
    tuned = Recommender().tune(ratings[ratings["userId"] < 280], movies, history="likes")
    assert tuned.model.card["tuned"]["history"] == "likes"


def test_times_may_be_dates_or_words_and_some_may_be_missing(
    frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in QUICK:
        monkeypatch.setattr(steps, name, ())
    own = frames[0][frames[0]["userId"] < 240].reset_index(drop=True)
    seconds = own["timestamp"].astype(float).where(own.index > 0)
    dates = pd.to_datetime(seconds, unit="s")
    words = dates.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    columns: list[Any] = [seconds, dates, words, seconds.map(repr)]
    gains = []
    for written in columns:
        tuned = Recommender().tune(own.assign(timestamp=written), frames[1])
        gains.append(tuned.model.card["tuned"]["gains"])
    assert "temporal" in gains[0] and gains == [gains[0]] * 4
    with pytest.raises(BadInput, match="neither seconds nor dates"):
        Recommender().fit(own.assign(timestamp="yesterday or so"), frames[1])


def test_what_is_in_force_stays_unless_something_is_clearly_better(
    catalogue: Catalogue, ratings: Ratings, tmp_path: Path
) -> None:
    def run(in_force: Choice | None) -> Tuned:
        journal = Journal(Store.at(tmp_path), "tuning.journal")
        return tune_(catalogue, own, {}, in_force=in_force, journal=journal)

    own = ratings.take(np.flatnonzero(ratings.users < 280))
    found = run(None)
    again = run(found.choice)
    assert found.is_better and not again.is_better and again.choice is found.choice
    poor = Choice(Parameters(ridge=5000.0, rank=1), {"digest": "old"})
    mended = run(poor)
    assert mended.is_better and mended.choice == found.choice
