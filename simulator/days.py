"""Writes a day as a platform hands it over: movies, each client's ratings, and last the manifest."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from simulator.errors import SimulatorError
from simulator.history import Written, life, movies_of, replacing, write_ratings

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Viewers who join on the day and bring what they rated so far; they are numbered from `first`."""

    client: str
    first: int
    viewers: int

    @property
    def user_ids(self) -> range:
        return range(self.first, self.first + self.viewers)


def write_day(
    movies_file: Path, folder: Path, day: date, crowds: Sequence[Crowd], seed: int, source: str
) -> list[Written]:
    """Into ``folder``/DAY. The same arguments write the same bytes."""
    try:
        data = movies_file.read_bytes()
        movies = movies_of(data, movies_file.name, seed)
        place = folder / day.isoformat()
        place.mkdir(parents=True, exist_ok=True)
        (place / MANIFEST).unlink(missing_ok=True)
        with replacing(place / "movies.csv") as file:
            file.write(data)
        written, after = [], day + timedelta(days=1)
        for crowd in crowds:
            (place / crowd.client).mkdir(exist_ok=True)
            with replacing(place / crowd.client / "ratings.csv") as file:
                written.append(
                    write_ratings(file, crowd.user_ids, lambda user: life(movies, user, seed, after))
                )
        seal(place, day, source)
    except OSError as error:
        raise SimulatorError(f"{error.filename or folder}: {error.strerror}.") from error
    return written


def seal(place: Path, day: date, source: str) -> None:
    paths = sorted(path for path in place.rglob("*.csv") if not path.name.startswith("."))
    files = [
        {"path": path.relative_to(place).as_posix(), "sha256": digest(path), "bytes": path.stat().st_size}
        for path in paths
    ]
    manifest = {"format": 1, "day": day.isoformat(), "source": source, "files": files}
    with replacing(place / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
