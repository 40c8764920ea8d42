"""Where model versions are kept, each in a folder of its name; those of a bucket are mapped from a cache."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from recommender import artifact
from recommender.errors import BadArtifact, NotFound
from recommender.files import Store
from recommender.model import Model


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
            if (self.cache / version).exists():
                (self.cache / version).rename(Path(space, "old"))
            fresh.rename(self.cache / version)

    def delete(self, version: str) -> None:
        self.store.delete(version)
