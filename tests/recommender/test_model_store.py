"""A model version comes back as it was saved, from a folder and from a bucket of a real S3 server."""

from pathlib import Path

import numpy as np
import pytest

from recommender.artifact import files
from recommender.errors import BadArtifact
from recommender.model import Model
from recommender.model_store import ModelStore


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    url = tmp_path / "models" if request.param == "folder" else request.getfixturevalue("bucket")
    return ModelStore.at(url, tmp_path / "cache")


def test_what_is_saved_is_loaded_and_mapped(store: ModelStore, model: Model) -> None:
    store.save(model)
    found = store.load(model.version)
    assert (found.version, found.card) == (model.version, model.card)
    assert np.array_equal(found.left, model.left)
    assert isinstance(found.right.base, np.memmap)


def test_a_version_that_is_not_there_is_refused(store: ModelStore) -> None:
    with pytest.raises(BadArtifact):
        store.load("0123456789abcdef")


@pytest.mark.parametrize("name", files())
def test_a_version_with_a_damaged_or_missing_file_is_refused(
    store: ModelStore, model: Model, name: str
) -> None:
    store.save(model)
    path = f"{model.version}/{name}"
    store.store.write(path, store.store.read(path)[:-1] + b"x")
    with pytest.raises(BadArtifact):
        store.load(model.version)
    store.store.delete(path)
    with pytest.raises(BadArtifact):
        store.load(model.version)


def test_a_cache_that_was_damaged_is_fetched_again(tmp_path: Path, bucket: str, model: Model) -> None:
    store = ModelStore.at(bucket, tmp_path / "cache")
    store.save(model)
    store.load(model.version)
    (tmp_path / "cache" / model.version / "left.npy").write_bytes(b"")
    assert np.array_equal(store.load(model.version).left, model.left)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [model.version]


def test_a_deleted_version_is_gone(store: ModelStore, model: Model) -> None:
    store.save(model)
    store.delete(model.version)
    assert store.store.names() == []
