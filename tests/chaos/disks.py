"""Disks that can be full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

FILLED_BY = (1 << 26, 1 << 20, 1 << 12)  # bytes at once


@dataclass
class Disk:
    """A folder, on a disk of its own when we may mount one."""

    folder: Path
    mounted: bool

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """To the last block."""
        with self.ballast.open("wb") as file:
            for size in FILLED_BY:
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)

    def free(self) -> None:
        self.ballast.unlink(missing_ok=True)


@contextmanager
def disk(folder: Path, name: str, mib: int) -> Iterator[Disk]:
    """A file of its own with a file system in it, which only root may mount."""
    place, image = folder / name, folder / f"{name}.img"
    place.mkdir()
    mounted = os.geteuid() == 0 and _mounts(place, image, mib)
    place.chmod(0o711)
    try:
        yield Disk(place, mounted)
    finally:
        if mounted:
            _run("umount", "--lazy", str(place))


def _mounts(place: Path, image: Path, mib: int) -> bool:
    with image.open("wb") as file:
        file.truncate(mib << 20)
    return _run("mkfs.ext4", "-q", "-m", "0", str(image)) and _run(
        "mount", "-o", "loop", str(image), str(place)
    )


def _run(*words: str) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
