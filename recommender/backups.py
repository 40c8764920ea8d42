"""Backups: dumps of the database in a store, each sealed by a note with its hash that is written last.

A dump is made by pg_dump, which is not here; what is here keeps it, finds it again and lets old ones go.
"""

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from recommender.errors import BadArtifact, BadInput, NotFound, Taken
from recommender.files import Store

MAGIC = b"PGDMP"  # how a custom-format dump begins
NEWEST = "newest"
_STAMP = "%Y%m%dT%H%M%SZ"
_NOTE, _KEPT = (re.compile(rf"marquee-\d{{8}}T\d{{6}}Z\.{kind}") for kind in ("json", "dump"))
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    name: str
    bytes: int
    sha256: str
    schema: str | None  # the revision that was dumped, where it is known


@dataclass(frozen=True, slots=True)
class Kept:
    backup: Backup
    new: bool
    deleted: tuple[str, ...]


def keep(store: Store, dump: Path, at: datetime, most: int) -> Kept:
    """Takes a dump in under the name of its moment; the oldest beyond `most` go, but never this one."""
    name = f"marquee-{at.astimezone(UTC).strftime(_STAMP)}"
    there = _read_note(store, f"{name}.json") if store.exists(f"{name}.json") else None
    with _opened(dump) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if there and there.sha256 != digest:
        raise Taken(f"{store.named(there.name)} is another backup of the same second.")
    backup = Backup(f"{name}.dump", dump.stat().st_size, digest, _schema(dump))
    if not there:
        _copy_in(store, dump, backup)
    return Kept(backup, there is None, _let_go(store, backup.name, most))


def _opened(dump: Path) -> BufferedReader:
    try:
        stream = dump.open("rb")
        begins = stream.read(len(MAGIC))
    except OSError as error:
        raise BadInput(f"{dump} cannot be read: {error.strerror}.") from error
    if begins != MAGIC:
        stream.close()
        what = "is no dump in the custom format of pg_dump" if begins else "is empty"
        raise BadInput(f"{dump} {what}: nothing is kept.")
    stream.seek(0)
    return stream


def _schema(dump: Path) -> str | None:
    """Whoever made the dump may say it in a file beside it."""
    beside = dump.with_name(dump.name + ".schema")
    return beside.read_text().strip() or None if beside.exists() else None


def _copy_in(store: Store, dump: Path, backup: Backup) -> None:
    with dump.open("rb") as stream, store.writing(backup.name) as kept:
        shutil.copyfileobj(stream, kept, _CHUNK)
    store.write(_note(backup.name), json.dumps(asdict(backup), indent=2).encode())


def _let_go(store: Store, ours: str, most: int) -> tuple[str, ...]:
    """The note first: a dump without one is not a backup. Those that a killed run left go too."""
    store.sweep("")
    old = [note for note in _notes(store)[most:] if note != _note(ours)]
    for note in old:
        store.delete(note)
    there = store.names()
    for name in there:
        if _KEPT.fullmatch(name) and name < ours and _note(name) not in there:
            store.delete(name)
    return tuple(map(_dump, old))


def listed(store: Store) -> list[Backup]:
    """The newest first."""
    return [_read_note(store, note) for note in _notes(store)]


def _notes(store: Store) -> list[str]:
    """Of every backup, the newest first. They are named and not read: one may be damaged."""
    return [name for name in reversed(store.names()) if _NOTE.fullmatch(name)]


def fetch(store: Store, name: str, to: Path) -> Backup:
    """Brings a backup to a file, whole and as it was kept, or not at all."""
    backup = _found(store, name)
    unfinished = to.with_name(to.name + ".unfinished")
    try:
        with unfinished.open("wb") as file, store.reading(backup.name) as stream:
            while chunk := stream.read(_CHUNK):
                _write(file, chunk, to)
        with unfinished.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != backup.sha256:
                raise BadArtifact(f"{store.named(backup.name)} is damaged: its sha256 is not the noted one.")
        unfinished.replace(to)
    except OSError as error:
        raise BadInput(f"{to} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return backup


def _write(file: BinaryIO, chunk: bytes, to: Path) -> None:
    """Told from an error of the store, which is being read."""
    try:
        file.write(chunk)
    except OSError as error:
        raise BadInput(f"{to} cannot be written: {error.strerror}.") from error


def _found(store: Store, name: str) -> Backup:
    notes = _notes(store)
    if not notes:
        raise NotFound(f"There are no backups in {store.url}.")
    wanted = notes[0] if name == NEWEST else _note(name)
    if wanted not in notes:
        raise NotFound(f"There is no backup {name} in {store.url}; the newest is {_dump(notes[0])}.")
    return _read_note(store, wanted)


def _note(name: str) -> str:
    return f"{name.removesuffix('.dump')}.json"


def _dump(note: str) -> str:
    return f"{note.removesuffix('.json')}.dump"


def _read_note(store: Store, note: str) -> Backup:
    try:
        return Backup(**json.loads(store.read(note)))
    except (ValueError, TypeError) as error:
        raise BadArtifact(f"{store.named(note)} is no note of a backup: {error}.") from None
