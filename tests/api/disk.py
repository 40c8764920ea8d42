"""How long a disk takes to keep a page, watched while somebody else measures: a commit cannot be faster."""

import os
import tempfile
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from types import TracebackType
from typing import Self

import numpy as np

EVERY_S = 0.05
PAGE = bytes(8192)


class Disk:
    """Of a folder: every now and then a page is written over another one and synced, as Postgres does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seconds: list[float] = []
        self._over = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with tempfile.TemporaryFile(dir=self._folder) as file:
            while not self._over.wait(EVERY_S):
                start = perf_counter()
                os.pwrite(file.fileno(), PAGE, 0)
                os.fdatasync(file.fileno())
                self.seconds.append(perf_counter() - start)

    def told(self) -> str:
        median, p99, longest = 1000 * np.percentile(self.seconds or [0.0], [50, 99, 100])
        return (
            f"The disk kept {len(self.seconds):,} pages meanwhile, one at a time:"
            f" median {median:.1f} ms, p99 {p99:.1f}, longest {longest:.0f}\n"
        )
