"""Writes a day as a platform hands it over: movies, each client's ratings, and last the manifest."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import SimulatorError
from simulator.fashion import draw_fashion
from simulator.faults import Faults
from simulator.history import Written, life, movies_of, replacing, write_ratings
from simulator.viewers import Ratings

MANIFEST = "manifest.json"
PLANTED = "faults.json"  # not in the manifest: it is no part of the day


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
    movies_file: Path,
    folder: Path,
    day: date,
    crowds: Sequence[Crowd],
    seed: int,
    source: str,
    *,
    shift: float = 0.0,
    faults: float = 0.0,
) -> list[Written]:
    """Into ``folder``/DAY. `shift`: how far tastes have moved, 0 to 1. `faults`: share of rows to spoil.

    The same arguments write the same bytes.
    """
    try:
        data = movies_file.read_bytes()
        movies = movies_of(data, movies_file.name, seed)
        fashion = draw_fashion(movies, np.random.default_rng([seed, 0, 1]))
        place, after = folder / day.isoformat(), day + timedelta(days=1)
        place.mkdir(parents=True, exist_ok=True)
        for name in (MANIFEST, PLANTED):
            (place / name).unlink(missing_ok=True)
        with replacing(place / "movies.csv") as file:
            file.write(data)

        def life_of(user_id: int) -> Ratings:
            return life(movies, user_id, seed, after, lambda own: fashion.reach(own, shift))

        written = [write_crowd(place, crowd, life_of, Faults(faults, seed)) for crowd in crowds]
        if faults:
            tell_faults(place, faults, crowds, written)
        seal(place, day, source)
    except OSError as error:
        raise SimulatorError(f"{error.filename or folder}: {error.strerror}.") from error
    return written


def write_crowd(place: Path, crowd: Crowd, life_of: Callable[[int], Ratings], faults: Faults) -> Written:
    (place / crowd.client).mkdir(exist_ok=True)
    with replacing(place / crowd.client / "ratings.csv") as file:
        written = write_ratings(file, crowd.user_ids, life_of, faults.lines)
    return replace(written, faults=dict(faults.planted))


def tell_faults(place: Path, share: float, crowds: Sequence[Crowd], written: Sequence[Written]) -> None:
    """What was planted: each row breaks the one rule that it is counted under."""
    clients = {
        crowd.client: {"rows": told.ratings, "faults": told.faults}
        for crowd, told in zip(crowds, written, strict=True)
    }
    write_json(place / PLANTED, {"share": share, "clients": clients})


def seal(place: Path, day: date, source: str) -> None:
    paths = sorted(path for path in place.rglob("*.csv") if not path.name.startswith("."))
    files = [
        {"path": path.relative_to(place).as_posix(), "sha256": digest(path), "bytes": path.stat().st_size}
        for path in paths
    ]
    manifest = {"format": 1, "day": day.isoformat(), "source": source, "files": files}
    write_json(place / MANIFEST, manifest)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
