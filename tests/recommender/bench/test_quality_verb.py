"""`marquee bench quality` as a person runs it, on the small world as a MovieLens folder."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from recommender.bench import linear_peers, peers
from recommender.bench.linear_peers import Als
from recommender.bench.summary import summary
from recommender.cli import main

Run = Callable[..., Result]
PEERS = {"marquee", "EASE", "TruncatedSVD", "item-kNN", "genre-kNN", "popularity", "k-means (score, type)"}
SITUATIONS = {
    *("after 1 like", "after 2 likes", "after 3 likes", "after 5 likes", "only low ratings"),
    *("three preferred genres", "low ratings, held-out users", "low ratings, in time order", "cold titles"),
}  # nobody in the small world has 500 ratings


@pytest.fixture(scope="module")
def folder(frames: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small-world")
    for frame, name in zip(frames, ("ratings", "movies"), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def quality(folder: Path) -> Run:
    def run(*words: object) -> Result:
        given = ["bench", "quality", "--data", str(folder), "--seeds", "1", *map(str, words)]
        return CliRunner().invoke(main, given)

    return run


@pytest.fixture(scope="module")
def first(quality: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    file = tmp_path_factory.mktemp("first") / "quality.json"
    result = quality("--json", file, "--plot", file.with_suffix(".svg"))
    assert result.exit_code == 0, result.output
    return result, file


@pytest.fixture
def file(first: tuple[Result, Path], tmp_path: Path) -> Path:
    copy = tmp_path / "quality.json"
    copy.write_bytes(first[1].read_bytes())
    return copy


def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_all_peers_stand_in_both_tables(first: tuple[Result, Path]) -> None:
    found = _read(first[1])["summary"]
    expected = PEERS | ({Als.name} if Als.is_installed() else set())
    assert set(found["strong"]) == expected
    assert set(found["temporal"]) == expected | {"EASE, newest first"}
    strong, temporal = first[0].stdout.split("In time order")
    assert all(name in strong and name in temporal for name in expected)
    assert "150 lists of 150 users" in strong and "366 lists of 366 users" in temporal


@pytest.mark.parametrize("protocol", ["strong", "temporal"])
def test_ours_is_clearly_ahead_of_the_weakest(first: tuple[Result, Path], protocol: str) -> None:
    rows = _read(first[1])["summary"][protocol]
    for weak in ("popularity", "k-means (score, type)"):
        assert rows[weak]["ahead"] > 2 * rows[weak]["error"] > 0
        assert rows[weak]["ahead"] == pytest.approx(rows["marquee"]["ndcg"] - rows[weak]["ndcg"], abs=1e-5)
    assert rows["marquee"]["ahead"] == rows["marquee"]["error"] == 0
    assert rows["popularity"]["novelty"] < rows["k-means (score, type)"]["novelty"]
    assert rows["popularity"]["coverage"] < rows["marquee"]["coverage"] <= 1
    assert all(row[cost] > 0 for row in rows.values() for cost in ("fit_s", "list_ms", "size_mb"))


def test_each_situation_has_its_simple_ways(first: tuple[Result, Path]) -> None:
    found = _read(first[1])["summary"]["situations"]
    assert set(found) == SITUATIONS
    for name, situation in found.items():
        others = [row["ndcg"] for row in situation["beside"].values()]
        assert others == sorted(others, reverse=True) and name in first[0].stdout
    assert set(found["after 1 like"]["beside"]) == {"popularity", "popularity x genres", "item-kNN"}
    cold = found["cold titles"]
    assert cold["ndcg"] > cold["beside"]["chance"]["ndcg"]


def test_variety_costs_and_gives_distance(first: tuple[Result, Path]) -> None:
    found = _read(first[1])["summary"]["exchange"]
    distances = [found[diversity]["distance"] for diversity in ("0.0", "0.25", "0.5", "0.75", "1.0")]
    assert distances == sorted(distances) and distances[-1] > distances[0]
    assert found["1.0"]["ndcg"] < found["0.0"]["ndcg"]


def test_a_retrain_leaves_part_of_a_list(first: tuple[Result, Path]) -> None:
    found = _read(first[1])["summary"]["swap"]
    assert 0.1 < found["new"] < 1 and 0.1 < found["trained"] < 1 and found["error"] > 0


def test_the_same_users_drawn_twice_tell_no_more_than_once(first: tuple[Result, Path]) -> None:
    once, units = (_read(first[1])[part] for part in ("summary", "units"))
    drawn = {name: unit for name, unit in units.items() if name.startswith(("strong/0", "around/0"))}
    twice = summary({**units, **{name.replace("/0", "/1"): unit for name, unit in drawn.items()}}, range(2))
    for model, row in once["strong"].items():
        assert twice["strong"][model]["error"] == pytest.approx(row["error"], abs=1e-6)
    assert twice["swap"]["error"] == pytest.approx(once["swap"]["error"], abs=1e-6)


def test_a_model_that_not_every_seed_has_is_left_out(first: tuple[Result, Path]) -> None:
    units = _read(first[1])["units"]
    second = {name.replace("/0", "/1"): unit for name, unit in units.items() if name != "strong/0/EASE"}
    found = summary({**second, **units}, range(2))
    assert "EASE" not in found["strong"] and "EASE" in found["temporal"]


@pytest.mark.parametrize("users", [[], [7]])
def test_a_situation_of_less_than_two_users_is_left_out(first: tuple[Result, Path], users: list[int]) -> None:
    """As where nothing is rated low."""
    units = _read(first[1])["units"]
    low = units["around/time"]["situations"]["low ratings, in time order"]
    low.update(users=users, ndcg={way: [0.5] * len(users) for way in low["ndcg"]})
    assert set(summary(units, range(1))["situations"]) == SITUATIONS - {"low ratings, in time order"}


def test_nothing_heavy_is_imported_before_a_verb_needs_it() -> None:
    code = "import recommender.cli, sys; assert not {'numpy', 'pandas', 'sklearn'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_imported_while_a_fit_is_timed() -> None:
    assert "KMeans" in vars(peers) and "TruncatedSVD" in vars(linear_peers)


def test_the_plot_is_a_picture(first: tuple[Result, Path]) -> None:
    drawn = first[1].with_suffix(".svg").read_text()
    assert drawn.startswith("<?xml") and drawn.rstrip().endswith("</svg>")


def test_what_is_in_the_record_is_not_measured_again(quality: Run, file: Path) -> None:
    written = _read(file)
    lost = [name for name in written["units"] if name.endswith(("EASE", "around/time"))]
    for name in lost:
        del written["units"][name]
    written["units"]["strong/0/popularity"]["ndcg"] = [1.0] * 150
    file.write_text(json.dumps(written))
    result = quality("--json", file)
    assert result.exit_code == 0, result.output
    again = _read(file)
    assert again["summary"]["strong"]["popularity"]["ndcg"] == 1
    assert set(again["units"]) == {*written["units"], *lost}
    assert all(again["units"][name] == unit for name, unit in written["units"].items())


def test_other_parameters_of_ours_measure_only_ours_again(quality: Run, file: Path, tmp_path: Path) -> None:
    parameters = tmp_path / "parameters.json"
    parameters.write_text('{"rank": 8, "values": [0, 0, 0, 1, 1]}')
    before = _read(file)["units"]
    result = quality("--json", file, "--parameters", parameters)
    assert result.exit_code == 0, result.output
    after = _read(file)["units"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"strong/0/marquee", "temporal/0/marquee", "around/0", "around/time"}
    assert after["strong/0/marquee"]["settings"]["parameters"]["rank"] == 8


@pytest.mark.parametrize(
    "text", ['{"ranks": 8}', '{"rank": "x"}', '{"parameters": {"rank": "x"}, "tuned": {}}', "[1]", "rank=8"]
)
def test_parameters_that_are_none_of_ours_are_refused(quality: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "parameters.json").write_text(text)
    result = quality("--parameters", tmp_path / "parameters.json")
    assert result.exit_code == 1 and "parameters of the model" in result.output


def test_a_record_of_other_data_is_left_alone(quality: Run, file: Path) -> None:
    written = _read(file)
    written["about"]["digest"] = "0123456789abcdef"
    file.write_text(json.dumps(written))
    before = file.read_bytes()
    result = quality("--json", file)
    assert result.exit_code == 1 and "other data" in result.output
    assert file.read_bytes() == before


def test_a_file_that_is_no_record_is_left_alone(quality: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"mine": 1}')
    result = quality("--json", tmp_path / "mine.json")
    assert result.exit_code == 1 and (tmp_path / "mine.json").read_text() == '{"mine": 1}'


def test_a_plot_without_what_draws_it_is_refused_before_anything_is_measured(
    quality: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = quality("--plot", tmp_path / "plot.svg", "--json", tmp_path / "quality.json")
    assert result.exit_code == 1 and "leave --plot out" in result.output
    assert not (tmp_path / "quality.json").exists()


def test_a_plot_into_no_folder_is_refused_before_anything_is_measured(quality: Run, tmp_path: Path) -> None:
    result = quality("--plot", tmp_path / "none" / "plot.svg", "--json", tmp_path / "quality.json")
    assert result.exit_code == 1 and "none is not a folder" in result.output
    assert not (tmp_path / "quality.json").exists()


def test_a_plot_of_no_known_kind_is_refused_before_anything_is_measured(quality: Run, tmp_path: Path) -> None:
    result = quality("--plot", tmp_path / "plot.xyz", "--json", tmp_path / "quality.json")
    assert result.exit_code == 1 and ".svg or .png" in result.output
    assert not (tmp_path / "quality.json").exists()
