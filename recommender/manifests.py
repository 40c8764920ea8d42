"""The seal of a folder: a manifest that names every file with its hash, written last.

A folder without one is still being made, and is not read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, cast

from recommender.errors import BadInput
from recommender.files import Store

MANIFEST = "manifest.json"
FORMAT = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    path: str  # relative to the folder
    sha256: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    about: Mapping[str, Any]
    files: tuple[Entry, ...]  # by path

    @property
    def digest(self) -> str:
        return hashlib.sha256(_written(self)).hexdigest()

    def entry(self, path: str) -> Entry | None:
        return next((entry for entry in self.files if entry.path == path), None)


def read_manifest(store: Store, folder: str) -> Manifest | None:
    """None while the folder is not sealed."""
    path = f"{folder}/{MANIFEST}"
    if not store.exists(path):
        return None
    try:
        read = json.loads(store.read(path))
        if read["format"] != FORMAT:
            raise BadInput(f"{store.named(path)} is of format {read['format']}, this code reads {FORMAT}.")
        files = tuple(_entry(entry) for entry in read["files"])
        about = {key: value for key, value in read.items() if key not in ("format", "files")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(f"{store.named(path)} is no manifest: {error!r}.") from None
    return Manifest(about, files)


def _entry(read: Mapping[str, Any]) -> Entry:
    path, rows = str(read["path"]), read.get("rows")
    if {"", ".", ".."} & set(path.split("/")) or not path.isprintable():
        raise ValueError(f"the path {path!a} leads out of the folder, or cannot be one")
    digest = str(read["sha256"]).lower()
    return Entry(path, digest, int(read["bytes"]), None if rows is None else int(rows))


def _written(manifest: Manifest) -> bytes:
    files = [{key: value for key, value in asdict(e).items() if value is not None} for e in manifest.files]
    whole = {**manifest.about, "format": FORMAT, "files": files}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def verify(store: Store, folder: str, entry: Entry) -> None:
    with store.reading(f"{folder}/{entry.path}") as stream:
        found = _digest(stream)
    if found != entry.sha256:
        raise BadInput(f"{store.named(f'{folder}/{entry.path}')} is not the file that its manifest names.")


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def seal_as_it_is(
    store: Store, folder: str, about: Mapping[str, Any], besides: tuple[str, ...] = ()
) -> Manifest:
    """For a folder that somebody else has filled; paths that start as one of ``besides`` are not of it."""
    entries = []
    for path in store.files(folder):
        if path != MANIFEST and not path.startswith(besides):
            with store.reading(f"{folder}/{path}") as stream:
                digest = _digest(stream)
            entries.append(Entry(path, digest, store.size(f"{folder}/{path}")))
    return _seal(store, folder, about, entries)


def seal_again(store: Store, folder: str, changed: Mapping[str, Entry]) -> Manifest:
    """After files of a sealed folder were replaced on purpose."""
    known = read_manifest(store, folder)
    if known is None:
        raise BadInput(f"{store.named(folder)} is not sealed.")
    return _seal(store, folder, known.about, [changed.get(entry.path, entry) for entry in known.files])


def _seal(store: Store, folder: str, about: Mapping[str, Any], entries: list[Entry]) -> Manifest:
    manifest = Manifest(about, tuple(sorted(entries, key=lambda entry: entry.path)))
    store.write(f"{folder}/{MANIFEST}", _written(manifest))
    return manifest


@dataclass
class Making:
    """A folder that is being made (anew): unsealed at once, and sealed when every file is written."""

    store: Store
    folder: str
    spared: str = MANIFEST  # the name of files that somebody else puts into the folder
    _entries: dict[str, Entry] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.store.delete(f"{self.folder}/{MANIFEST}")

    @contextmanager
    def file(self, path: str, rows: int | None = None) -> Iterator["Hashed"]:
        """`stream.rows` may be set while it is written."""
        with self.store.writing(f"{self.folder}/{path}") as stream:
            hashed = Hashed(stream, rows)
            yield hashed
        self._entries[path] = Entry(path, hashed.digest.hexdigest(), hashed.size, hashed.rows)

    def seal(self, about: Mapping[str, Any]) -> Manifest:
        """Files of an earlier try that are not of this one are deleted."""
        for path in self.store.files(self.folder):
            if path not in self._entries and path.rpartition("/")[2] != self.spared:
                self.store.delete(f"{self.folder}/{path}")
        self.store.sweep(self.folder)
        return _seal(self.store, self.folder, about, list(self._entries.values()))


class Hashed:
    """A stream that knows the hash of what was written to it."""

    def __init__(self, stream: BinaryIO, rows: int | None) -> None:
        self._stream, self.rows = stream, rows
        self.digest, self.size = hashlib.sha256(), 0
        self.closed = False

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += memoryview(data).nbytes
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def tell(self) -> int:
        return self.size

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Whoever opened the file closes it."""

    def as_file(self) -> BinaryIO:
        return cast(BinaryIO, self)
