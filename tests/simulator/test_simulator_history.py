from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simulator.cli import main
from simulator.errors import SimulatorError
from simulator.history import write_history
from simulator.movies import read_listing

UNTIL = date(2026, 1, 1)


@pytest.fixture
def movies_file(tmp_path: Path) -> Path:
    genres = ("Action|War", "Comedy", "Drama|Romance", "(no genres listed)")
    rows = [f'{i},"Title {i}, The ({1950 + i % 70})",{genres[i % 4]},movie' for i in range(1, 121)]
    path = tmp_path / "movies.csv"
    path.write_bytes("\r\n".join(["movieId,title,genres,type", *rows, ""]).encode())
    return path


def ratings(movies_file: Path, folder: Path, viewers: int = 20, seed: int = 7) -> bytes:
    write_history(movies_file, folder, range(1, viewers + 1), seed, UNTIL)
    return (folder / "ratings.csv").read_bytes()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["history", *map(str, arguments)])


def test_the_same_seed_writes_the_same_bytes(movies_file: Path, tmp_path: Path) -> None:
    assert ratings(movies_file, tmp_path / "a") == ratings(movies_file, tmp_path / "b")


def test_another_seed_writes_other_bytes(movies_file: Path, tmp_path: Path) -> None:
    assert ratings(movies_file, tmp_path / "a") != ratings(movies_file, tmp_path / "b", seed=8)


def test_more_viewers_leave_the_earlier_ones_as_they_were(movies_file: Path, tmp_path: Path) -> None:
    few, many = ratings(movies_file, tmp_path / "a", 10), ratings(movies_file, tmp_path / "b", 30)
    assert many.startswith(few)
    assert len(many) > len(few)


def test_the_movies_file_is_copied_byte_for_byte(movies_file: Path, tmp_path: Path) -> None:
    ratings(movies_file, tmp_path / "out")
    assert (tmp_path / "out/movies.csv").read_bytes() == movies_file.read_bytes()


def test_the_folder_holds_the_two_files_and_nothing_else(movies_file: Path, tmp_path: Path) -> None:
    ratings(movies_file, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["movies.csv", "ratings.csv"]


def test_a_run_that_breaks_off_leaves_the_older_ratings_whole(movies_file: Path, tmp_path: Path) -> None:
    before = ratings(movies_file, tmp_path / "out")

    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_history(movies_file, tmp_path / "out", interrupted(), 8, UNTIL)
    assert (tmp_path / "out/ratings.csv").read_bytes() == before
    assert not list((tmp_path / "out").glob(".*"))


def test_the_command_ends_with_what_it_wrote(movies_file: Path, tmp_path: Path) -> None:
    result = run("--movies", movies_file, "--viewers", 30, "--out", tmp_path / "out")
    assert result.exit_code == 0
    lines = (tmp_path / "out/ratings.csv").read_text().splitlines()[1:]
    stars = [float(line.split(",")[2]) for line in lines]
    mean = sum(stars) / len(stars)
    assert f"30 viewers gave {len(lines):,} ratings, {mean:.2f} stars on average" in result.stdout


def test_the_last_day_is_not_taken_from_the_clock(movies_file: Path, tmp_path: Path) -> None:
    run("--movies", movies_file, "--viewers", 5, "--out", tmp_path / "out")
    assert (tmp_path / "out/ratings.csv").read_bytes() == ratings(movies_file, tmp_path / "fixed", 5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"movieId,title,genres\n",
        b"id,name\n1,A\n",
        b"movieId,title,genres\nx,A (1990),War\n",
        b"movieId,title,genres\n1,A,War\n1,B,War\n",
        b"movieId,title,genres\n1,A\n",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_movies_file_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    result = run("--movies", tmp_path / "bad.csv", "--out", tmp_path / "out")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "bad.csv" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_movies_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"nowhere\.csv: No such file"):
        ratings(tmp_path / "nowhere.csv", tmp_path / "out")


def test_a_catalogue_of_the_future_is_refused_and_leaves_no_ratings(
    movies_file: Path, tmp_path: Path
) -> None:
    result = run("--movies", movies_file, "--until", "1940-01-01", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "nothing to rate" in result.stderr
    assert not (tmp_path / "out/ratings.csv").exists()


def test_the_year_of_a_series_is_its_first() -> None:
    text = "movieId,title,genres\n1,Film (1999),War\n2,Run (2008-2013),War\n3,On (2016–),War\n4,2001,War\n"
    years = read_listing(text.encode(), "movies.csv").years.tolist()
    assert years[:3] == [1999, 2008, 2016]
    assert years[3] != years[3]
