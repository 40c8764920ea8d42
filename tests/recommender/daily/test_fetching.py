"""From where days come in to raw: what is whole is taken, what is not waits."""

from pathlib import Path

import pytest

from recommender.daily.fetching import fetch, files_of
from recommender.days import INCOMING, RAW
from recommender.errors import BadInput, Failed, NothingToDo
from recommender.files import Store
from recommender.manifests import MANIFEST, Entry, Manifest, read_manifest, seal_as_it_is
from tests.recommender.incoming import DAY, MOVIES, packed, ratings, silent

FOLDER = f"{INCOMING}/{DAY}"
FILES = {"movies.csv": MOVIES.encode(), "acme/ratings.csv": ratings("7,1,4,1").encode()}


@pytest.fixture
def data(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def send(data: Store, files: dict[str, bytes], **about: str) -> Manifest:
    for path, content in files.items():
        data.write(f"{FOLDER}/{path}", content)
    return seal_as_it_is(data, FOLDER, {"day": str(DAY), **about})


def everything(data: Store) -> dict[str, bytes]:
    return {path: data.read(path) for path in data.files("")}


def raw(data: Store) -> dict[str, bytes]:
    files = {path.removeprefix(f"{RAW}/{DAY}/"): data.read(path) for path in data.files("") if RAW in path}
    files.pop(MANIFEST, None)
    return files


def test_a_day_is_taken_as_it_is_and_says_what_it_was_taken_from(data: Store) -> None:
    incoming = send(data, FILES, source="ml")
    manifest = fetch(data, DAY, silent)
    assert raw(data) == FILES
    assert manifest.files == incoming.files
    assert manifest == read_manifest(data, f"{RAW}/{DAY}")
    assert manifest.about == {"day": str(DAY), "source": "ml", "from": incoming.digest, "ignored": []}


def test_the_source_is_ours_when_nobody_names_one(data: Store) -> None:
    send(data, FILES)
    assert fetch(data, DAY, silent).about["source"] == "simulation_data"


def test_a_day_fetched_twice_is_the_day_fetched_once(data: Store) -> None:
    send(data, FILES)
    fetch(data, DAY, silent)
    once = everything(data)
    fetch(data, DAY, silent)
    assert everything(data) == once


def test_a_day_without_a_folder_is_nothing_to_do(data: Store) -> None:
    with pytest.raises(NothingToDo, match="no files of 2026-01-31"):
        fetch(data, DAY, silent)


def test_a_day_without_a_manifest_is_still_being_written_and_is_fetched_when_it_has_one(data: Store) -> None:
    data.write(f"{FOLDER}/movies.csv", FILES["movies.csv"])
    with pytest.raises(Failed, match=r"no manifest\.json: it is still being written"):
        fetch(data, DAY, silent)
    assert raw(data) == {}
    send(data, FILES)
    fetch(data, DAY, silent)
    assert raw(data) == FILES


def test_a_file_that_grows_while_it_is_fetched_is_not_taken(data: Store) -> None:
    send(data, FILES)
    data.write(f"{FOLDER}/acme/ratings.csv", ratings("7,1,4,1", "8,1,4,1").encode())
    with pytest.raises(Failed, match=r"acme/ratings\.csv is not the file .* still being written"):
        fetch(data, DAY, silent)
    assert read_manifest(data, f"{RAW}/{DAY}") is None
    assert "acme/ratings.csv" not in raw(data)


def test_a_file_that_the_manifest_names_and_nobody_wrote_is_a_sentence(data: Store) -> None:
    send(data, FILES)
    data.delete(f"{FOLDER}/acme/ratings.csv")
    with pytest.raises(Failed, match=r"acme/ratings\.csv .* it is not there"):
        fetch(data, DAY, silent)


def test_a_file_that_cannot_be_read_is_a_sentence_and_the_retry_succeeds(data: Store) -> None:
    send(data, FILES)
    data.delete(f"{FOLDER}/acme/ratings.csv")
    data.write(f"{FOLDER}/acme/ratings.csv/in-the-way", b"")  # a folder where a file should be
    with pytest.raises(Failed, match=r"acme/ratings\.csv cannot be read or written: Is a directory"):
        fetch(data, DAY, silent)
    data.delete(f"{FOLDER}/acme/ratings.csv")
    data.write(f"{FOLDER}/acme/ratings.csv", FILES["acme/ratings.csv"])
    fetch(data, DAY, silent)
    assert raw(data) == FILES


def test_a_day_that_changed_after_it_was_fetched_needs_a_reason_which_is_kept(data: Store) -> None:
    send(data, FILES)
    fetch(data, DAY, silent)
    changed = {"acme/ratings.csv": ratings("8,1,4,1").encode()}
    send(data, changed)
    with pytest.raises(Failed, match="it changed since"):
        fetch(data, DAY, silent)
    assert raw(data) == FILES
    assert fetch(data, DAY, silent, "a corrected file").about["reason"] == "a corrected file"
    assert raw(data) == FILES | changed
    once = everything(data)
    fetch(data, DAY, silent)
    assert everything(data) == once


def test_a_damaged_copy_is_made_again(data: Store) -> None:
    send(data, FILES)
    fetch(data, DAY, silent)
    once = everything(data)
    data.write(f"{RAW}/{DAY}/movies.csv", b"damaged")
    data.delete(f"{RAW}/{DAY}/acme/ratings.csv")
    fetch(data, DAY, silent)
    assert everything(data) == once


def test_a_day_that_is_only_in_raw_is_taken_from_there_unless_it_is_damaged(data: Store) -> None:
    send(data, FILES)
    manifest = fetch(data, DAY, silent)
    data.delete(FOLDER)
    assert fetch(data, DAY, silent) == manifest
    data.write(f"{RAW}/{DAY}/movies.csv", b"damaged")
    with pytest.raises(Failed, match="damaged, and the day's incoming files are gone"):
        fetch(data, DAY, silent)


def test_a_day_that_broke_off_is_fetched_anew_with_the_same_bytes(data: Store) -> None:
    send(data, FILES)
    fetch(data, DAY, silent)
    once = everything(data)
    data.delete(RAW)

    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(data, DAY, interrupt)
    assert read_manifest(data, f"{RAW}/{DAY}") is None
    fetch(data, DAY, silent)
    assert everything(data) == once


def test_a_day_sealed_under_another_date_is_refused(data: Store) -> None:
    send(data, FILES, day="2026-01-30")
    with pytest.raises(BadInput, match="sealed as the day 2026-01-30"):
        fetch(data, DAY, silent)


def test_other_files_are_left_alone_and_named(data: Store) -> None:
    others = (".DS_Store", "README.txt", "a/b/ratings.csv", "acme/tags.csv", "ratings.csv")
    send(data, FILES | dict.fromkeys(others, b"x"))
    manifest = fetch(data, DAY, silent)
    assert raw(data) == FILES
    assert manifest.about["ignored"] == list(others)


def test_a_day_of_other_files_only_is_refused(data: Store) -> None:
    send(data, {"ratings.csv": b"x"})
    with pytest.raises(BadInput, match=r"neither movies\.csv nor a ratings\.csv in a client's folder"):
        fetch(data, DAY, silent)


def test_packed_files_are_a_days_files_too() -> None:
    entries = tuple(Entry(path, "", 1) for path in ("acme/ratings.csv.gz", "movies.csv.gz"))
    files = files_of(Manifest({}, entries), "the day")
    assert files.movies == entries[1]
    assert files.ratings == {"acme": entries[0]}


def test_the_same_file_plain_and_packed_is_refused(data: Store) -> None:
    send(data, {**FILES, "acme/ratings.csv.gz": packed(ratings("7,1,4,1"))})
    with pytest.raises(BadInput, match=r"both acme/ratings\.csv and acme/ratings\.csv\.gz"):
        fetch(data, DAY, silent)


def test_a_client_has_one_folder_in_whatever_case(data: Store) -> None:
    send(data, {**FILES, "Acme/ratings.csv": FILES["acme/ratings.csv"]})
    with pytest.raises(BadInput, match=r"both Acme/ratings\.csv and acme/ratings\.csv"):
        fetch(data, DAY, silent)


def test_a_hash_may_be_written_in_capitals(data: Store) -> None:
    manifest = send(data, FILES)
    written = data.read(f"{FOLDER}/{MANIFEST}")
    for entry in manifest.files:
        written = written.replace(entry.sha256.encode(), entry.sha256.upper().encode())
    data.write(f"{FOLDER}/{MANIFEST}", written)
    assert fetch(data, DAY, silent).files == manifest.files


@pytest.mark.parametrize("source", [None, 5, "", "a\0b", "x" * 201, {"a": 1}])
def test_a_source_that_can_be_none_is_refused(data: Store, source: object) -> None:
    send(data, FILES)
    seal_as_it_is(data, FOLDER, {"day": str(DAY), "source": source})
    with pytest.raises(BadInput, match="names no source in its manifest that can be one"):
        fetch(data, DAY, silent)
