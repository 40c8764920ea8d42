"""A model version comes back as it was saved, from a folder and from a bucket of a real S3 server."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from recommender.artifact import files
from recommender.errors import BadArtifact, Failed
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


def test_a_cache_keeps_what_was_fetched_last(tmp_path: Path, bucket: str, model: Model) -> None:
    store, cache = ModelStore.at(bucket, tmp_path / "cache"), tmp_path / "cache"
    several = [model.telling(number=number) for number in range(6)]
    for one in several:
        store.save(one)
    first = store.load(several[0].version)
    for age, one in enumerate(several):
        store.load(one.version)
        os.utime(cache / one.version, (age, age))
    assert {path.name for path in cache.iterdir()} == {one.version for one in several[2:]}
    assert np.array_equal(first.left, model.left), "who has it open keeps its files"
    assert store.load(several[0].version).version == several[0].version


def test_what_killed_writers_left_is_swept_and_what_is_written_now_is_not(
    tmp_path: Path, model: Model
) -> None:
    store = ModelStore.at(tmp_path, tmp_path / "cache")
    store.save(model)
    for name, age in ((f".{model.version}-old", 7200), (f".{model.version}-new", 0), (".other", 7200)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {model.version, f".{model.version}-new", ".other"}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, model: Model) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Failed, match="cannot be written: "):
        ModelStore.at(tmp_path / "file" / "models", tmp_path).save(model)


def test_a_deleted_version_is_gone(store: ModelStore, model: Model) -> None:
    store.save(model)
    store.delete(model.version)
    assert store.store.names() == []
