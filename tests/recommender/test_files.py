"""One contract for a store, kept by a folder and by a bucket of a real S3 server."""

import os
from pathlib import Path

import pytest

from recommender.errors import BadSettings, Failed, NotFound
from recommender.files import UNFINISHED, Store


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store.at(tmp_path / "store" if request.param == "folder" else request.getfixturevalue("bucket"))


def test_what_is_written_is_read(store: Store) -> None:
    store.write("a/b.txt", b"one")
    store.write("a/b.txt", b"two")
    assert store.read("a/b.txt") == b"two"
    assert (store.exists("a/b.txt"), store.exists("a/c.txt"), store.size("a/b.txt")) == (True, False, 3)


def test_names_and_files_are_sorted_and_empty_for_a_folder_that_is_not_there(store: Store) -> None:
    for path in ("d/z.csv", "d/a/y.csv", "d/a/x.csv"):
        store.write(path, b"1")
    assert store.names("d") == ["a", "z.csv"]
    assert store.files("d") == ["a/x.csv", "a/y.csv", "z.csv"]
    assert (store.names("nowhere"), store.files("nowhere")) == ([], [])


def test_a_folder_is_deleted_with_all_in_it_and_again_without_complaint(store: Store) -> None:
    store.write("d/a/x.csv", b"1")
    store.write("dx", b"1")
    store.delete("d")
    store.delete("d")
    assert (store.files("d"), store.names()) == ([], ["dx"])


def test_a_write_that_breaks_off_leaves_the_older_file(store: Store) -> None:
    store.write("a.txt", b"old")
    with pytest.raises(KeyboardInterrupt), store.writing("a.txt") as stream:
        stream.write(b"new and unfinished" * 1000)
        raise KeyboardInterrupt
    assert store.read("a.txt") == b"old"
    assert store.names() == ["a.txt"]


def test_a_write_that_breaks_off_leaves_nothing_where_nothing_was(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.writing("d/a.txt") as stream:
        stream.write(b"unfinished")
        raise KeyboardInterrupt
    assert not store.exists("d/a.txt")


def test_a_file_larger_than_a_part_of_an_upload_arrives_whole(store: Store) -> None:
    content = os.urandom(1 << 20) * 60
    store.write("large", content)
    assert store.read("large") == content


def test_what_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(NotFound, match=r"d/none\.csv is not there"):
        store.read("d/none.csv")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Failed, match=r"folder cannot be read or written: Is a directory\."):
        Store.at(tmp_path).read("folder")


def test_what_a_killed_writer_left_is_hidden_and_swept_when_it_is_old(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    old, fresh = (tmp_path / "d" / f"{UNFINISHED}{name}" for name in ("old", "fresh"))
    store.write("d/a", b"1")
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert (store.names("d"), store.files("d")) == (["a"], ["a"])
    store.sweep("d")
    assert (old.exists(), fresh.exists()) == (False, True)


def test_an_address_of_no_known_kind_is_refused() -> None:
    with pytest.raises(BadSettings, match="neither a folder nor a bucket"):
        Store.at("nosuch://bucket/prefix")


def test_a_name_is_not_a_pattern_when_it_is_deleted(store: Store) -> None:
    for path in ("d/a/x", "d/*/x", "d/[a]/x"):
        store.write(path, b"1")
    store.delete("d/[a]/x")
    store.delete("d/*")
    assert store.files("d") == ["a/x"]


def test_what_a_living_writer_moves_meanwhile_does_not_stop_a_sweep(tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED}gone").symlink_to(tmp_path / "nowhere")
    Store.at(tmp_path).sweep("")
