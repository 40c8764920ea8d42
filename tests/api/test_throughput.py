"""The objectives of throughput and memory, by the bench against real processes on synthetic catalogues."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.throughput import MIB, bench, memory, running

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
PARTS = ("stored>=0.3", "new>=0.12", "more>=0.12", "stored.p99<=5")
WRITING = ("new.p99<=5", "more.p99<=5")  # not on a disk: one that stalls would be measured with it
ABOVE = 250 * MIB
MEMORY = Path("/dev/shm")  # noqa: S108
ROOM = 3 * 2**30  # the log of Postgres alone may take one


def required(*texts: str) -> list[str]:
    return [part for text in texts for part in ("--require", text)]


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is room for a database."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="marquee-", dir=MEMORY) as folder:
        yield Path(folder)


def test_one_process_answers_its_part_of_what_it_could_do_for_nothing(in_memory: Path) -> None:
    parts = PARTS + WRITING if in_memory.is_relative_to(MEMORY) else PARTS
    with running(in_memory, 10_000, 1) as api:
        assert bench(api.services, ["--rate", "0", "--saturation", "9", *required(*parts)]) == 0


def test_two_processes_of_sixty_thousand_titles_share_the_artifact(tmp_path: Path) -> None:
    with running(tmp_path, 60_000, 2) as api:
        assert bench(api.services, ["--rate", "0", "--saturation", "9", *required("stored>=0.2")]) == 0
        for service in api.services:
            found = memory(service, service.models)
            assert found.rss - api.artifact <= ABOVE
            assert found.mapped_pss < 0.6 * found.mapped
