"""Files of days and models: a folder, or a bucket (`s3://bucket/prefix`), behind one face.

A path is relative to the store and has slashes. What is written appears whole or not at all.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import fsspec
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
from fsspec import AbstractFileSystem

from recommender.errors import BadSettings, Failed, NotFound

UNFINISHED = ".unfinished-"  # starts the name of what is being written
_ABANDONED_S = 3600


@dataclass(frozen=True, slots=True)
class Store:
    url: str
    _files: AbstractFileSystem
    _root: str

    @classmethod
    def at(cls, url: str | Path) -> Self:
        """The folder may not be there yet."""
        try:
            files, root = fsspec.url_to_fs(str(url))
        except (ImportError, ValueError) as error:
            raise BadSettings(f"{url} is neither a folder nor a bucket: {error}") from None
        return cls(str(url), files, root.rstrip("/"))

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; None for a bucket."""
        return Path(self._root) if "file" in _protocols(self._files) else None

    def named(self, path: str) -> str:
        """For a person to read."""
        return f"{self.url.rstrip('/')}/{path}"

    def read(self, path: str) -> bytes:
        with self.reading(path) as stream:
            return stream.read()

    @contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        self._files.invalidate_cache()  # a bucket's sizes are those that were listed
        with self._told(path), self._files.open(self._full(path), "rb") as stream:
            yield cast(BinaryIO, stream)

    def write(self, path: str, content: bytes) -> None:
        with self.writing(path) as stream:
            stream.write(content)

    @contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        with self._told(path):
            if self.folder:
                with _moved_in_place(Path(self._full(path))) as stream:
                    yield stream
            else:
                with self._put(path) as stream:
                    yield stream

    @contextmanager
    def _put(self, path: str) -> Iterator[BinaryIO]:
        """An object is there when its stream is closed; a stream that is discarded leaves none."""
        stream: Any = self._files.open(self._full(path), "wb")
        try:
            yield stream
        except BaseException:
            stream.discard()
            stream.closed = True  # else it is finished when it is collected
            raise
        stream.close()

    def exists(self, path: str) -> bool:
        with self._told(path):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._full(path)))

    def names(self, path: str = "") -> list[str]:
        """What lies directly in the folder, sorted; nothing when there is no such folder."""
        with self._told(path):
            self._files.invalidate_cache()
            try:
                listed = self._files.ls(self._full(path), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = {str(name).rstrip("/").rpartition("/")[2] for name in listed}
        return sorted(name for name in names if name and not name.startswith(UNFINISHED))

    def files(self, path: str) -> list[str]:
        """Every file below the folder, relative to it, sorted."""
        with self._told(path):
            self._files.invalidate_cache()
            full = self._full(path)
            found = (str(name).removeprefix(full).lstrip("/") for name in self._files.find(full))
            return sorted(name for name in found if UNFINISHED not in name)

    def size(self, path: str) -> int:
        with self._told(path):
            return int(self._files.size(self._full(path)))

    def delete(self, path: str) -> None:
        """A file, or a folder with all that is in it; nothing to do when it is not there."""
        with self._told(path):
            self._files.invalidate_cache()
            if self.folder and self._files.exists(self._full(path)):
                self._files.rm(self._full(path), recursive=True)
            elif self.folder is None:  # whose `rm` would take a name like `*` as a pattern
                for name in self._files.find(self._full(path)):
                    self._files.rm_file(name)

    def sweep(self, path: str) -> None:
        """Remove what writers that were killed left below the folder; a bucket keeps nothing of theirs."""
        if self.folder:
            for left in Path(self._full(path)).rglob(f"{UNFINISHED}*"):
                with suppress(FileNotFoundError):  # its writer is alive, and has just moved it
                    if time.time() - left.stat().st_mtime > _ABANDONED_S:
                        left.unlink()

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/")

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """What the system says, as a sentence that names the file."""
        try:
            yield
        except FileNotFoundError:
            raise NotFound(f"{self.named(path)} is not there.") from None
        except (OSError, BotoCoreError) as error:  # the latter: nobody answers, or no credentials
            reason = getattr(error, "strerror", None) or str(error)
            raise Failed(f"{self.named(path)} cannot be read or written: {reason}.") from error


@contextmanager
def _moved_in_place(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{UNFINISHED}{secrets.token_hex(4)}-{path.name}")
    try:
        with unfinished.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _protocols(files: AbstractFileSystem) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
