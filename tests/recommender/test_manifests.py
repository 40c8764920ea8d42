from pathlib import Path

import pytest

from recommender.errors import BadInput
from recommender.files import Store
from recommender.manifests import MANIFEST, Making, read_manifest, seal_as_it_is, verify


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def make(store: Store, **files: bytes) -> Making:
    making = Making(store, "day")
    for name, content in files.items():
        with making.file(name) as stream:
            stream.write(content)
    return making


def test_a_folder_is_sealed_only_when_all_is_written(store: Store) -> None:
    making = make(store, a=b"1", b=b"2")
    assert read_manifest(store, "day") is None
    sealed = making.seal({"day": "2026-01-01"})
    assert read_manifest(store, "day") == sealed
    assert [entry.path for entry in sealed.files] == ["a", "b"]
    for entry in sealed.files:
        verify(store, "day", entry)


def test_making_it_anew_unseals_it_at_once_and_drops_what_is_no_longer_of_it(store: Store) -> None:
    make(store, a=b"1", b=b"2").seal({})
    making = make(store, a=b"3")
    assert read_manifest(store, "day") is None
    making.seal({})
    assert store.files("day") == ["a", MANIFEST]


def test_the_same_files_have_the_same_digest_and_others_another(store: Store) -> None:
    one, again = make(store, a=b"1").seal({"x": 1}), make(store, a=b"1").seal({"x": 1})
    assert one.digest == again.digest
    assert make(store, a=b"1").seal({"x": 2}).digest != one.digest
    assert make(store, a=b"2").seal({"x": 1}).digest != one.digest


def test_sealing_a_filled_folder_says_the_same_as_making_it(store: Store) -> None:
    made = make(store, a=b"1", b=b"2").seal({"x": 1})
    assert seal_as_it_is(store, "day", {"x": 1}) == made


def test_a_file_that_changed_after_the_seal_is_found(store: Store) -> None:
    sealed = make(store, a=b"1").seal({})
    store.write("day/a", b"2")
    with pytest.raises(BadInput, match="day/a is not the file that its manifest names"):
        verify(store, "day", sealed.files[0])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is no manifest"),
        (b"[]", "is no manifest"),
        (b'{"format": 2, "files": []}', "is of format 2"),
        (b'{"format": 1, "files": [{"path": "../x", "sha256": "", "bytes": 1}]}', "leads out of the folder"),
        (
            b'{"format": 1, "files": [{"path": "/x", "sha256": "", "bytes": 1}]}',
            "leads out of the folder",
        ),
        (b'{"format": 1, "files": [{"path": "x"}]}', "is no manifest"),
        (b'{"format": 1, "files": [{"path": "./x", "sha256": "", "bytes": 1}]}', "cannot be one"),
        (b'{"format": 1, "files": [{"path": "a//x", "sha256": "", "bytes": 1}]}', "cannot be one"),
        (b'{"format": 1, "files": [{"path": "a\\u0000/x", "sha256": "", "bytes": 1}]}', "cannot be one"),
        (b'{"format": 1, "files": [{"path": "\\ud800/x", "sha256": "", "bytes": 1}]}', "cannot be one"),
    ],
)
def test_a_manifest_that_is_none_is_refused(store: Store, content: bytes, said: str) -> None:
    store.write(f"day/{MANIFEST}", content)
    with pytest.raises(BadInput, match=said):
        read_manifest(store, "day")
