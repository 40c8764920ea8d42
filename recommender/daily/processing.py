"""A fetched day made ready for Postgres: its good rows with what they say of each user, the others listed.

processed/BATCH is a function of raw/BATCH, of what Postgres knows, and of the champion its manifest names.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from recommender.daily.fetching import Files, files_of
from recommender.daily.intake import Counts, RawFile, Rules, take_movies, take_ratings
from recommender.daily.known import DayMovies, Known, read_known
from recommender.daily.parquet import MOVIES as MOVIES_FILE
from recommender.daily.parquet import MOVIES_SCHEMA, write_table
from recommender.daily.partitioning import Aside, parts_for
from recommender.daily.refused_rows import MOVIE_COLUMNS, RATING_COLUMNS, listing
from recommender.daily.user_parts import PartWriter
from recommender.days import MENDED, MOVIES, NOT_INJECTED, PROCESSED, RATINGS, RAW, REPLAY, ends, parse_day
from recommender.errors import BadInput, Failed, NotFound, Rejected
from recommender.files import Store
from recommender.imports.movie_rows import FileMovie
from recommender.imports.rows import BLOCK_BYTES, Rule
from recommender.manifests import Entry, Making, Manifest, read_manifest, verify
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.progress import Progress

INPUTS = "inputs.json"
CURRENT = "current"  # asks for the champion of now, where a rerun takes the one that was taken before
_NO_FAULT = {Rule.DELETED_USER.value}  # of the file's


def process(
    engine: Engine,
    data: Store,
    models: ModelStore,
    batch: str,
    *,
    reject_limit: float,
    tombstone_key: str,
    progress: Progress,
    reason: str | None = None,
    champion: str | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Manifest:
    """What is processed already is only verified, unless a reason or a champion is given.

    ``batch`` is a day, or a day with REPLAY; the reason lets a day with too many rejects pass; the champion
    is a version, or CURRENT.
    """
    raw = read_manifest(data, f"{RAW}/{batch}")
    if raw is None:
        raise Failed(f"{data.named(f'{RAW}/{batch}')} is not there, or not whole: fetch the day first.")
    made = _made(data, batch, raw)
    if made and reason is None and champion is None and _is_whole(data, batch, made):
        return made
    reason = reason or (made.about["reason"] if made else None)
    for entry in raw.files:
        verify(data, f"{RAW}/{batch}", entry)
    files = files_of(raw, data.named(f"{RAW}/{batch}"))
    known = read_known(engine, raw.about["source"], files.ratings.keys())
    version = _champion(data, batch, raw, known, champion)
    model = models.load(version) if version else None
    inputs = {"raw": raw.digest, "catalogue": known.digest, "champion": version}
    making = Making(data, f"{PROCESSED}/{batch}"), Making(data, f"{NOT_INJECTED}/{batch}", MENDED)
    run = _Run(data, batch, known, model, tombstone_key, block_bytes, progress, *making)
    run.note(inputs)
    genres, counts = run.all(files)
    about = {"day": str(run.day), "batch": batch, "source": raw.about["source"], **inputs, **counts}
    if read_manifest(data, f"{RAW}/{batch}") != raw:
        raise Failed(f"{batch} was fetched again while it was processed: run process again.")
    stop = _miscounted(files, counts) or _too_many(counts, reject_limit)
    run.refused.seal({**about, "stopped": stop is not None and reason is None})
    if stop and reason is None:
        listed = data.named(run.refused.folder)
        raise Rejected(f"{batch} is stopped: {stop}. What is refused is listed in {listed}.")
    return run.good.seal({**about, "genres": genres, "reason": reason})


def _made(data: Store, batch: str, raw: Manifest) -> Manifest | None:
    """Of the same files, by an earlier run."""
    made = read_manifest(data, f"{PROCESSED}/{batch}")
    return made if made and made.about.get("raw") == raw.digest else None


def _is_whole(data: Store, batch: str, made: Manifest) -> bool:
    """With its lists of refused rows, which a load takes in too."""
    try:
        refused = read_manifest(data, f"{NOT_INJECTED}/{batch}")
        for folder, manifest in ((PROCESSED, made), (NOT_INJECTED, refused)):
            for entry in manifest.files if manifest else ():
                verify(data, f"{folder}/{batch}", entry)
    except (BadInput, NotFound):
        return False
    return refused is not None and refused.about.get("raw") == made.about["raw"]


def _champion(data: Store, batch: str, raw: Manifest, known: Known, told: str | None) -> str | None:
    """The one that is told; else the one that an earlier try took; else the one of now."""
    if told is not None:
        return known.champion if told == CURRENT else told
    try:
        inputs = json.loads(data.read(f"{PROCESSED}/{batch}/{INPUTS}"))
        tried, taken = inputs["raw"], inputs["champion"]
    except (NotFound, ValueError, KeyError, TypeError):  # nobody tried yet, or the file is damaged
        return known.champion
    return (taken and str(taken)) if tried == raw.digest else known.champion


@dataclass(frozen=True, slots=True)
class _Run:
    data: Store
    batch: str
    known: Known
    model: Model | None
    tombstone_key: str
    block_bytes: int
    progress: Progress
    good: Making
    refused: Making

    @property
    def day(self) -> date:
        return parse_day(self.batch.removesuffix(REPLAY))

    def note(self, inputs: Mapping[str, str | None]) -> None:
        """What the result is made of comes first, for whoever has to begin again."""
        with self.good.file(INPUTS) as file:
            file.write(json.dumps(inputs, indent=2).encode() + b"\n")

    def all(self, files: Files) -> tuple[list[str], dict[str, Any]]:
        """The genres of the profiles, and the counts."""
        fresh, of_movies = self._movies(files.movies)
        movies = DayMovies.of(self.known.movies, fresh)
        of_clients = {name: self._client(name, entry, movies) for name, entry in files.ratings.items()}
        unknown = sorted(files.ratings.keys() - self.known.clients.keys())
        counts = {"movies": of_movies, "clients": of_clients, "unknown_clients": unknown}
        return list(movies.catalogue.genres), counts

    def _raw(self, entry: Entry) -> RawFile:
        return RawFile(self.data, f"{RAW}/{self.batch}", entry, self.block_bytes)

    def _movies(self, entry: Entry | None) -> tuple[tuple[FileMovie, ...], dict[str, Any]]:
        movies, counts = tuple[FileMovie, ...](), Counts()
        if entry:
            with listing(self.refused, MOVIES, entry.path, MOVIE_COLUMNS) as write:
                movies, counts = take_movies(self._raw(entry), write, self._bytes("movies", entry))
        with self.good.file(MOVIES_FILE, len(movies)) as stream:
            write_table(stream.as_file(), _table(movies))
        return movies, {**counts.as_json(), "kept": len(movies)}

    def _bytes(self, stage: str, entry: Entry) -> Any:
        return lambda done: self.progress(stage, done, entry.bytes)

    def _client(self, name: str, entry: Entry, movies: DayMovies) -> dict[str, Any]:
        deleted = self.known.deleted(name, self.tombstone_key) if name in self.known.clients else None
        rules = Rules(movies.codes, float(np.nextafter(ends(self.day).timestamp(), 0)), deleted)
        parts = parts_for(entry.bytes, entry.path.endswith(".gz"), self.block_bytes)
        place = self.data.folder or Path(tempfile.gettempdir())
        with Aside(parts, place) as aside:
            with listing(self.refused, f"{name}/{RATINGS}", entry.path, RATING_COLUMNS) as write:
                stage = self._bytes(f"{name}: reading", entry)
                counts = take_ratings(self._raw(entry), rules, aside.add, write, stage)
            kept = self._parts(name, aside, movies)
        return {**counts.as_json(), **kept, "sha256": entry.sha256}

    def _parts(self, name: str, aside: Aside, movies: DayMovies) -> dict[str, int]:
        writer = PartWriter(self.good, name, movies, self.model)
        users, superseded, parts = 0, 0, aside.parts if aside.rows else 0
        for number in range(parts):
            part = aside.part(number)
            writer.write(number, part)
            users, superseded = users + len(part), superseded + part.superseded
            self.progress(f"{name}: writing", number + 1, parts)
        return {"kept": aside.rows - superseded, "superseded": superseded, "users": users, "parts": parts}


def _table(movies: tuple[FileMovie, ...]) -> pa.Table:
    columns = {name: [getattr(movie, name) for movie in movies] for name in MOVIES_SCHEMA.names}
    return pa.table(columns, schema=MOVIES_SCHEMA)


def _miscounted(files: Files, counts: Mapping[str, Any]) -> str | None:
    """A file that has not as many rows as its manifest says."""
    read = {files.movies: counts["movies"]["read"]} if files.movies else {}
    read |= {entry: counts["clients"][name]["read"] for name, entry in files.ratings.items()}
    for entry, rows in read.items():
        if entry.rows not in (None, rows):
            return f"{entry.path} has {rows:,} rows, and its manifest says {entry.rows:,}"
    return None


def _too_many(counts: Mapping[str, Any], limit: float) -> str | None:
    files = [counts["movies"], *counts["clients"].values()]
    read = sum(file["read"] for file in files)
    refused = Counter[str]()
    for file in files:
        refused.update({rule: n for rule, n in file["rejected"].items() if rule not in _NO_FAULT})
    if refused.total() <= limit * read:
        return None
    reasons = ", ".join(f"{n:,} x {rule}" for rule, n in refused.most_common())
    return f"{refused.total():,} of {read:,} rows are refused, more than {limit:.0%}: {reasons}"
