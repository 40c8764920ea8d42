"""Backups in a folder and in a bucket: kept whole, found again as they were, let go in time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recommender.backups import fetch, keep, listed
from recommender.cli import main
from recommender.errors import BadArtifact, BadInput, NotFound, Taken
from recommender.files import Store

NIGHT = datetime(2026, 1, 31, 3, 17, tzinfo=UTC)
FIRST = "marquee-20260131T031700Z.dump"


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "bucket":
        return Store.at(request.getfixturevalue("bucket"))
    return Store.at(tmp_path / "backups")


def dump(folder: Path, content: bytes = b"PGDMP and all the rest", schema: str | None = "0003") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "marquee.dump"
    file.write_bytes(content)
    if schema:
        (folder / "marquee.dump.schema").write_text(f"{schema}\n")
    return file


def nights(store: Store, folder: Path, number: int, most: int = 14) -> list[str]:
    """What each night's keep let go."""
    gone = list[str]()
    for night in range(number):
        file = dump(folder, b"PGDMP of night %d" % night)
        gone += keep(store, file, NIGHT + timedelta(days=night), most).deleted
    return gone


def test_a_backup_is_fetched_as_it_was_kept(store: Store, tmp_path: Path) -> None:
    kept = keep(store, dump(tmp_path), NIGHT, most=14)
    assert (kept.new, kept.deleted) == (True, ())
    assert (kept.backup.name, kept.backup.bytes, kept.backup.schema) == (FIRST, 22, "0003")
    for name in ("newest", FIRST, FIRST.removesuffix(".dump")):
        assert fetch(store, name, tmp_path / "again.dump") == kept.backup
        assert (tmp_path / "again.dump").read_bytes() == b"PGDMP and all the rest"
    note = json.loads(store.read("marquee-20260131T031700Z.json"))
    assert note == {"name": FIRST, "bytes": 22, "sha256": kept.backup.sha256, "schema": "0003"}


def test_a_dump_without_a_word_on_its_schema_is_kept_too(store: Store, tmp_path: Path) -> None:
    assert keep(store, dump(tmp_path, schema=None), NIGHT, most=14).backup.schema is None


def test_the_moment_is_told_in_utc(store: Store, tmp_path: Path) -> None:
    moment = datetime.fromisoformat("2026-01-31T05:17:00+02:00")
    assert keep(store, dump(tmp_path), moment, most=14).backup.name == FIRST


def test_kept_twice_is_kept_once_and_another_of_the_same_second_is_refused(
    store: Store, tmp_path: Path
) -> None:
    first = keep(store, dump(tmp_path), NIGHT, most=14)
    again = keep(store, dump(tmp_path), NIGHT, most=14)
    assert (again.backup, again.new) == (first.backup, False)
    with pytest.raises(Taken, match=f"{FIRST} is another backup of the same second"):
        keep(store, dump(tmp_path, b"PGDMP of somebody else"), NIGHT, most=14)
    assert listed(store) == [first.backup]


def test_the_oldest_go_and_the_newest_are_listed_first(store: Store, tmp_path: Path) -> None:
    assert nights(store, tmp_path, 5, most=3) == [FIRST, "marquee-20260201T031700Z.dump"]
    names = [backup.name for backup in listed(store)]
    assert names == [f"marquee-2026020{day}T031700Z.dump" for day in (4, 3, 2)]
    assert len(store.names()) == 6, "each with its note, and nothing else"


def test_what_was_just_kept_is_never_let_go(store: Store, tmp_path: Path) -> None:
    """Also when its moment is long ago, as of a dump that somebody had put aside."""
    nights(store, tmp_path, 2, most=2)
    kept = keep(store, dump(tmp_path), NIGHT - timedelta(days=300), most=2)
    assert kept.backup in listed(store)


def test_what_a_killed_run_left_is_no_backup_and_goes(store: Store, tmp_path: Path) -> None:
    store.write(FIRST, b"PGDMP of a run that was killed before it wrote the note")
    store.write("somebody-elses.dump", b"not ours")
    with pytest.raises(NotFound, match="There are no backups in"):
        fetch(store, "newest", tmp_path / "again.dump")
    keep(store, dump(tmp_path), NIGHT + timedelta(days=1), most=14)
    assert FIRST not in store.names()
    assert "somebody-elses.dump" in store.names()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: nothing is kept"),
        (b"PGD", "is no dump in the custom format of pg_dump"),
        (b"-- PostgreSQL database dump", "is no dump in the custom format of pg_dump"),
    ],
)
def test_what_is_no_dump_is_refused(store: Store, tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        keep(store, dump(tmp_path, content), NIGHT, most=14)
    assert store.names() == []


def test_a_dump_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"marquee\.dump cannot be read: No such file"):
        keep(store, tmp_path / "marquee.dump", NIGHT, most=14)


def test_a_backup_that_was_damaged_is_not_handed_out(store: Store, tmp_path: Path) -> None:
    keep(store, dump(tmp_path), NIGHT, most=14)
    store.write(FIRST, b"PGDMP and all the west")
    to = tmp_path / "again.dump"
    with pytest.raises(BadArtifact, match=f"{FIRST} is damaged"):
        fetch(store, "newest", to)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(to.name)] == []


def test_a_name_that_is_not_there_is_told_the_newest(store: Store, tmp_path: Path) -> None:
    keep(store, dump(tmp_path), NIGHT, most=14)
    with pytest.raises(NotFound, match=rf"There is no backup latest in .*; the newest is {FIRST}"):
        fetch(store, "latest", tmp_path / "again.dump")


def test_a_note_that_was_damaged_spoils_no_other_backup(store: Store, tmp_path: Path) -> None:
    nights(store, tmp_path, 3)
    store.write("marquee-20260131T031700Z.json", b"{")
    assert fetch(store, "newest", tmp_path / "again.dump").name == "marquee-20260202T031700Z.dump"
    with pytest.raises(BadArtifact, match=r"20260131T031700Z\.json is no note of a backup"):
        fetch(store, FIRST, tmp_path / "again.dump")
    assert keep(store, dump(tmp_path), NIGHT + timedelta(days=3), most=3).deleted == (FIRST,)


def test_a_full_disk_is_told_by_the_file_that_does_not_fit(store: Store, tmp_path: Path) -> None:
    keep(store, dump(tmp_path, b"PGDMP" + bytes(1 << 20)), NIGHT, most=14)
    (tmp_path / "again.dump.unfinished").symlink_to("/dev/full")
    with pytest.raises(BadInput, match=r"again\.dump cannot be written: No space left on device"):
        fetch(store, "newest", tmp_path / "again.dump")


# the verbs


def marquee(store: Path, *words: str | Path, **settings: str) -> Result:
    given = {"BACKUP_URL": str(store), **settings}
    return CliRunner().invoke(main, ["backups", *map(str, words)], env=given)


def test_the_verbs_say_what_they_did(tmp_path: Path) -> None:
    store, file = tmp_path / "backups", dump(tmp_path / "scratch")
    assert marquee(store, "list").stdout == f"There are no backups in {store}.\n"
    told = marquee(store, "keep", file, "--at", "2026-01-31T03:17:00Z")
    assert told.stdout == f"{FIRST} is kept: 22 bytes, schema 0003\n"
    told = marquee(store, "keep", file, "--at", "2026-02-01T03:17:00Z", BACKUP_KEEP="1")
    assert told.stdout.splitlines() == [
        "marquee-20260201T031700Z.dump is kept: 22 bytes, schema 0003",
        f"  {FIRST} is deleted: more than BACKUP_KEEP are newer",
    ]
    assert marquee(store, "list").stdout.split() == [
        *("marquee-20260201T031700Z.dump", "22", "bytes,", "schema", "0003")
    ]
    to = tmp_path / "again.dump"
    told = marquee(store, "fetch", "newest", "--to", to)
    assert told.stdout == f"{to} is marquee-20260201T031700Z.dump: 22 bytes, schema 0003\n"
    assert to.read_bytes() == file.read_bytes()


def test_without_a_moment_a_backup_is_of_now(tmp_path: Path) -> None:
    assert marquee(tmp_path / "backups", "keep", dump(tmp_path)).exit_code == 0
    (kept,) = listed(Store.at(tmp_path / "backups"))
    moment = datetime.strptime(kept.name, "marquee-%Y%m%dT%H%M%SZ.dump").replace(tzinfo=UTC)
    assert datetime.now(UTC) - moment < timedelta(minutes=5)


@pytest.mark.parametrize("most", ["0", "-1", "many"])
def test_a_backup_at_least_is_kept(tmp_path: Path, most: str) -> None:
    refused = marquee(tmp_path / "backups", "keep", dump(tmp_path), BACKUP_KEEP=most)
    assert (refused.exit_code, refused.stderr.startswith("marquee: BACKUP_KEEP: ")) == (2, True)
    assert not (tmp_path / "backups").exists()


def test_a_backup_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    refused = marquee(tmp_path / "backups", "fetch", "newest", "--to", tmp_path / "again.dump")
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"marquee: There are no backups in {tmp_path}/backups.\n",
    )
