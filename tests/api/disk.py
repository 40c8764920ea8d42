"""How long a page takes to be kept, tried beside a measurement: a commit waits for the like."""

import os
from pathlib import Path
from time import perf_counter

import numpy as np

PAGE = bytes(8192)
STALL_MS = 50


class Disk:
    """Of a folder: each look writes a page over another one and syncs it, as Postgres does."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "page"
        self._file.write_bytes(PAGE)
        self.seconds: list[float] = []

    def look(self) -> None:
        with self._file.open("r+b") as file:
            start = perf_counter()
            file.write(PAGE)
            file.flush()
            os.fdatasync(file)
            self.seconds.append(perf_counter() - start)

    def told(self) -> str:
        taken = 1000 * np.array(self.seconds)
        stalls = taken[taken > STALL_MS]
        return (
            f"In {self._folder} a page was written and synced {len(taken):,} times meanwhile:"
            f" {np.median(taken):.1f} ms in the median, {taken.max():.0f} at most.\n"
            f"{len(stalls)} times took more than {STALL_MS} ms, {stalls.sum() / 1000:.1f} s together.\n"
        )
