"""Days as clients send them, taken as far as processed, and what is in the files then."""

import csv
import gzip
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, text

from recommender.daily.fetching import fetch
from recommender.daily.parquet import ratings_part, read_table, users_part
from recommender.daily.processing import process
from recommender.database import transaction
from recommender.days import INCOMING, NOT_INJECTED, PROCESSED
from recommender.files import Store
from recommender.imports.movie_load import load_movies
from recommender.imports.movie_rows import FileMovie
from recommender.local.urls import PerRole
from recommender.manifests import Manifest, seal_as_it_is
from recommender.model_store import ModelStore

DAY = date(2026, 1, 31)
KEY = "k" * 32
NOON = 1_769_860_800  # of that day
HEADER = "userId,movieId,rating,timestamp"
MOVIES = (
    'movieId,title,genres\n1,Heat (1995),Action|Crime\n2,"Matrix, The (1999)",Action|Sci-Fi\n3,Ran (1985),\n'
)
Files = Mapping[str, str | bytes]


def ratings(*rows: str, header: str = HEADER) -> str:
    return "".join(f"{row}\n" for row in (header, *rows))


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def silent(stage: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Days:
    engines: PerRole[Engine]
    data: Store
    models: ModelStore

    @classmethod
    def at(cls, engines: PerRole[Engine], folder: Path) -> Self:
        days = cls(engines, Store.at(folder / "data"), ModelStore.at(folder / "models", folder / "cache"))
        for name in ("acme", "bolt"):
            days.run("SELECT register_client(:name, :name, :name || '@example.org', 'hash')", name=name)
        return days

    @property
    def acme(self) -> int:
        with self.engines.admin.begin() as connection:
            return int(connection.scalar(text("SELECT client_id FROM clients WHERE username = 'acme'")) or 0)

    def run(self, statement: str, **values: object) -> None:
        with self.engines.admin.begin() as connection:
            connection.execute(text(statement), values)

    def send(self, files: Files, day: date = DAY, seal: bool = True, **about: str) -> None:
        for path, content in files.items():
            whole = content.encode() if isinstance(content, str) else content
            self.data.write(f"{INCOMING}/{day}/{path}", whole)
        if seal:
            seal_as_it_is(self.data, f"{INCOMING}/{day}", {"day": str(day), **about})

    def know(self, *source_ids: str, source: str = INCOMING) -> None:
        """Movies of the source that Postgres has already."""
        movies = (FileMovie(n, name, f"Film {name}", 2000, "movie", ()) for n, name in enumerate(source_ids))
        with transaction(self.engines.pipeline) as connection:
            load_movies(connection, source, movies)

    def process(self, **options: Any) -> Manifest:
        given: dict[str, Any] = {"reject_limit": 1.0, "tombstone_key": KEY, "progress": silent, **options}
        return process(self.engines.pipeline, self.data, self.models, str(DAY), **given)

    def take(self, files: Files, **options: Any) -> Manifest:
        self.send(files)
        fetch(self.data, DAY, silent)
        return self.process(**options)

    def kept(self, client: str = "acme", parts: int = 1) -> list[tuple[Any, ...]]:
        """(user, movie, rating, time, line), by part."""
        return [row for part in range(parts) for row in self._rows(ratings_part(client, part))]

    def users(self, client: str = "acme", parts: int = 1) -> list[tuple[Any, ...]]:
        """(user, ratings, profile, taste), by part."""
        return [row for part in range(parts) for row in self._rows(users_part(client, part))]

    def _rows(self, path: str) -> list[tuple[Any, ...]]:
        rows = read_table(self.data, f"{PROCESSED}/{DAY}/{path}").to_pylist()
        return [tuple(row.values()) for row in rows]

    def refused(self, path: str = "acme/ratings.csv") -> list[dict[str, str]]:
        listed = self.data.read(f"{NOT_INJECTED}/{DAY}/{path}").decode()
        return list(csv.DictReader(StringIO(listed)))

    def rules(self, path: str = "acme/ratings.csv") -> dict[int, str]:
        return {int(row["line"]): row["rule"] for row in self.refused(path)}

    def contents(self) -> dict[str, bytes]:
        """Every file of every folder."""
        return {path: self.data.read(path) for path in self.data.files("")}


def balanced(made: Manifest) -> bool:
    """Every row that was read is kept, superseded or rejected."""
    files = made.about["clients"].values()
    return all(f["read"] == f["kept"] + f["superseded"] + sum(f["rejected"].values()) for f in files)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As on a disk that is full from there on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
