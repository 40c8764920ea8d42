"""Where model versions are kept, each in a folder of its name; those of a bucket are mapped from a cache."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from recommender import artifact
from recommender.errors import BadArtifact, Failed, NotFound
from recommender.files import Store
from recommender.model import Model

_CACHED = 4  # versions of a bucket, those that were fetched last
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}-.+")  # what was being written, or fetched
_ABANDONED_S = 3600


@dataclass(frozen=True, slots=True)
class ModelStore:
    store: Store
    cache: Path

    @classmethod
    def at(cls, url: str | Path, cache: Path) -> Self:
        return cls(Store.at(url), cache)

    def url(self, version: str) -> str:
        return self.store.named(version)

    def save(self, model: Model) -> None:
        """The version appears whole or not at all: in a bucket its card comes last."""
        with _told(self.url(model.version)):
            if self.store.folder:
                model.save(self.store.folder / model.version)
                return
            with tempfile.TemporaryDirectory() as folder:
                model.save(Path(folder, model.version))
                for name in artifact.files():
                    with self.store.writing(f"{model.version}/{name}") as stream:
                        stream.write(Path(folder, model.version, name).read_bytes())

    def load(self, version: str) -> Model:
        """Memory-mapped. Refuses what is missing, damaged, or another version."""
        if self.store.folder:
            return Model.load(self.store.folder / version, version)
        try:
            return Model.load(self.cache / version, version)
        except BadArtifact:  # not fetched yet, or damaged since
            with _told(str(self.cache / version)):
                self._fetch(version)
            return Model.load(self.cache / version, version)

    def _fetch(self, version: str) -> None:
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache, prefix=f".{version}-") as space:
            fresh = Path(space, "fresh")
            fresh.mkdir()
            try:
                for name in artifact.files():
                    (fresh / name).write_bytes(self.store.read(f"{version}/{name}"))
            except NotFound as error:
                raise BadArtifact(str(error)) from None
            with suppress(FileNotFoundError):
                (self.cache / version).rename(Path(space, "old"))
            with suppress(OSError):  # another process was quicker; what lies there is looked at next
                fresh.rename(self.cache / version)
        self._make_room()

    def _make_room(self) -> None:
        """Who has a version open that goes keeps its files."""
        fetched = [path for path in self.cache.iterdir() if not path.name.startswith(".")]
        for old in sorted(fetched, key=_changed, reverse=True)[_CACHED:]:
            shutil.rmtree(old, ignore_errors=True)
        _sweep(self.cache)

    def delete(self, version: str) -> None:
        self.store.delete(version)

    def sweep(self) -> None:
        """Remove what writers that were killed left in the folder; a bucket keeps nothing of theirs."""
        if self.store.folder:
            _sweep(self.store.folder)


def _sweep(folder: Path) -> None:
    for left in folder.glob(".*"):
        if _UNFINISHED.fullmatch(left.name) and time.time() - _changed(left) > _ABANDONED_S:
            shutil.rmtree(left, ignore_errors=True)


def _changed(path: Path) -> float:
    """Long ago when another process has removed it meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextmanager
def _told(place: str) -> Iterator[None]:
    """What the system says, as a sentence."""
    try:
        yield
    except OSError as error:
        raise Failed(f"{place} cannot be written: {error.strerror or error}.") from error
