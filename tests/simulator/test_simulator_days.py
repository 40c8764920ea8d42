import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simulator.cli import main
from simulator.days import MANIFEST

DAY = "2026-03-01"


@pytest.fixture
def movies_file(tmp_path: Path) -> Path:
    path = tmp_path / "movies.csv"
    rows = [f"{i},Title {i} ({1950 + i % 70}),{('War', 'Comedy', 'Drama')[i % 3]}" for i in range(1, 121)]
    path.write_text("\n".join(["movieId,title,genres", *rows, ""]))
    return path


def run(movies_file: Path, out: Path, *more: object) -> Result:
    words = ["day", "--movies", movies_file, "--day", DAY, "--out", out, "--viewers", 10, *more]
    return CliRunner().invoke(main, [str(word) for word in words])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_manifest_names_every_other_file_with_its_hash(movies_file: Path, tmp_path: Path) -> None:
    assert run(movies_file, tmp_path / "d", "--client", "a", "--client", "b").exit_code == 0
    files = contents(tmp_path / "d" / DAY)
    manifest = json.loads(files.pop(MANIFEST))
    assert (manifest["format"], manifest["day"]) == (1, DAY)
    named = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    assert named == {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    assert set(named) == {"movies.csv", "a/ratings.csv", "b/ratings.csv"}


def test_no_rating_is_later_than_the_day_and_viewers_of_two_clients_differ(
    movies_file: Path, tmp_path: Path
) -> None:
    run(movies_file, tmp_path / "d", "--client", "a", "--client", "b")
    users: list[set[str]] = []
    for client in "ab":
        rows = [r.split(",") for r in (tmp_path / "d" / DAY / client / "ratings.csv").read_text().split()[1:]]
        assert max(datetime.fromtimestamp(int(row[3]), UTC).date() for row in rows) <= date.fromisoformat(DAY)
        users.append({row[0] for row in rows})
    assert users[0] and users[1] and not users[0] & users[1]


def test_the_same_command_writes_the_same_bytes_over_an_earlier_run(
    movies_file: Path, tmp_path: Path
) -> None:
    run(movies_file, tmp_path / "d", "--client", "a")
    before = contents(tmp_path / "d")
    run(movies_file, tmp_path / "d", "--client", "a", "--seed", 8)
    assert contents(tmp_path / "d") != before
    run(movies_file, tmp_path / "d", "--client", "a")
    assert contents(tmp_path / "d") == before


def test_a_run_that_fails_leaves_no_sealed_day(movies_file: Path, tmp_path: Path) -> None:
    run(movies_file, tmp_path / "d", "--client", "a")
    (tmp_path / "d" / DAY / "b").write_text("in the way")
    failed = run(movies_file, tmp_path / "d", "--client", "a", "--client", "b")
    assert (failed.exit_code, len(failed.stderr.splitlines())) == (1, 1)
    assert not (tmp_path / "d" / DAY / MANIFEST).exists()
