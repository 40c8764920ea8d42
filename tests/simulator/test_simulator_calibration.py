import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import recommender
from simulator.calibration import Sample, distances, gini, kolmogorov, read_sample
from simulator.cli import main
from simulator.history import write_history

STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As real as it gets here: other simulated viewers."""
    folder = tmp_path_factory.mktemp("real")
    write_history(STARTER, folder, range(1001, 1201), 7, date(2026, 1, 1))
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["calibrate", *map(str, words)])


def test_it_draws_a_picture_and_tells_how_far_apart_they_are(real: Path, tmp_path: Path) -> None:
    done = run("--like", real, "--out", tmp_path / "p.svg", "--json", tmp_path / "p.json")
    assert done.exit_code == 0, done.output
    about = json.loads((tmp_path / "p.json").read_text())
    assert about["real"]["viewers"] == about["simulated"]["viewers"] == 200
    assert about["distances"]["stars (total variation)"] < 0.08
    assert about["distances"]["activity (Kolmogorov-Smirnov)"] < 0.15
    assert b"<svg" in (tmp_path / "p.svg").read_bytes()


def test_the_names_of_the_columns_may_be_in_any_case_and_order(real: Path, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("rating,userid,MOVIEID,timestamp\n4.5,1,10,99\n3.0,2,10,98\n")
    sample = read_sample(tmp_path)
    assert sample.stars.tolist() == [4.5, 3.0]
    assert sample.popularity.tolist() == [2]


def test_a_sample_has_no_distance_to_itself_and_some_to_another(real: Path) -> None:
    sample = read_sample(real)
    assert set(distances(sample, sample).values()) == {0.0}
    harsh = Sample(sample.users, sample.movies, np.full(len(sample.stars), 0.5))
    assert distances(sample, harsh)["stars (total variation)"] > 0.9


def test_distance_and_unevenness_of_what_can_be_seen_by_eye() -> None:
    assert kolmogorov(np.array([1, 2]), np.array([3, 4])) == 1
    assert kolmogorov(np.array([1, 2, 3, 4]), np.array([1, 2, 9, 9])) == 0.5
    assert gini(np.array([5, 5, 5])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 12])) == pytest.approx(0.75)


@pytest.mark.parametrize("text", ["", "userId,movieId\n1,2\n", "userId,movieId,rating\n1,x,4\n"])
def test_what_is_no_file_of_ratings_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A (1990),War\n")
    (tmp_path / "ratings.csv").write_text(text)
    done = run("--like", tmp_path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
