"""python -m tests.api.throughput: how much one API process can take, on a catalogue of any size.

Sets up Postgres, a synthetic catalogue with its model, and the API, each API process on the first processor
and everything else on the others; then runs `marquee-simulate bench` (with several processes first at one of
them), and says what processor time Postgres spent on each request, how long the disk took to keep a page
meanwhile, and what memory the processes share.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.api.conftest import PASSWORD, Service, serving, until
from tests.api.disk import Disk
from tests.api.large import fill_large, large_database
from tests.api.spending import Spending, spending_table
from tests.api.watching import watching

API_CORE = 0
MIB = 2**20
SETTINGS = {"DB_POOL": "10", "CLIENT_RATE": "1000000"}
_SMAPS = re.compile(r"^(Rss|Pss|Shared_Clean|Private_Dirty): +(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Running:
    services: list[Service]
    artifact: int  # bytes
    postgres: int  # its first process


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one process; Pss counts a page that several share by parts."""

    rss: int
    pss: int
    mapped: int  # of the artifact, resident
    mapped_pss: int


@contextmanager
def running(folder: Path, titles: int, processes: int) -> Iterator[Running]:
    folder.chmod(0o755)  # the server runs as another user
    models = folder / "models"
    models.mkdir()
    with ExitStack() as stack:
        stack.enter_context(elsewhere())
        urls = stack.enter_context(large_database(folder / "postgres"))
        artifact = fill_large(urls, models, titles)
        services = [stack.enter_context(serving(urls, models, SETTINGS)) for _ in range(processes)]
        for service in services:
            until(service, "/health/ready", lambda answer: answer.json()["model"] is not None)
        if len(os.sched_getaffinity(0)) < (os.cpu_count() or 1):
            for service in services:
                _pin(service.process.pid, {API_CORE})
        yield Running(services, artifact, _first_of_postgres(folder))


@contextmanager
def elsewhere() -> Iterator[None]:
    """This process, and what it starts from here on, leaves the API's processor to the API."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {API_CORE} or before)
    yield
    os.sched_setaffinity(0, before)


def _first_of_postgres(folder: Path) -> int:
    file = next(folder.rglob("postmaster.pid"))
    return int(file.read_text().split()[0])


def _pin(pid: int, cores: set[int]) -> None:
    """Every thread of it: each has its own."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def bench(services: Sequence[Service], arguments: Sequence[str]) -> int:
    """The exit status of `marquee-simulate bench` as a new client."""
    username = services[0].register()["username"]
    urls = [part for service in services for part in ("--url", service.url)]
    command = [sys.executable, "-c", "from simulator.cli import main; main()", "bench", *urls]
    return subprocess.call(
        [*command, "--username", username, *arguments], env={**os.environ, "MARQUEE_PASSWORD": PASSWORD}
    )


def memory(service: Service, models: Path) -> Memory:
    proc = Path(f"/proc/{service.process.pid}")
    whole = _sums(proc.joinpath("smaps_rollup").read_text())
    parts = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", proc.joinpath("smaps").read_text())
    mapped = [_sums(part) for part in parts if str(models) in part.partition("\n")[0]]
    return Memory(
        whole["Rss"], whole["Pss"], sum(part["Rss"] for part in mapped), sum(part["Pss"] for part in mapped)
    )


def _sums(text: str) -> dict[str, int]:
    return {name: 1024 * int(size) for name, size in _SMAPS.findall(text)}


def told(found: Sequence[Memory], artifact: int) -> str:
    lines = [f"The artifact has {artifact / MIB:,.0f} MiB. Each process, in MiB:"]
    for each in found:
        above = (each.rss - artifact) / MIB
        lines.append(f"  {each.rss / MIB:,.0f} resident, which is {above:,.0f} above the artifact;")
        lines.append(
            f"  of the artifact {each.mapped / MIB:,.0f} resident, {each.mapped_pss / MIB:,.0f} its part"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.api.throughput", description=__doc__)
    parser.add_argument("--titles", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path, help="Write the bench's numbers here too.")
    parser.add_argument(
        "--place", type=Path, help="Postgres and the rest in a folder here; in /dev/shm no disk is measured."
    )
    known, arguments = parser.parse_known_args()  # the others are the bench's
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-", dir=known.place)))
        api = stack.enter_context(running(folder, known.titles, known.processes))
        _say(f"{known.titles:,} titles")
        alone = known.json or folder / "alone.json"
        status = measured(api, api.services[:1], [*arguments, "--json", str(alone)])
        if known.processes > 1:
            together = alone.with_stem(f"{alone.stem}_{known.processes}")
            status |= measured(api, api.services, [*arguments, "--json", str(together)])
            _say(beside(_saturation(alone), _saturation(together)))
        _say(told([memory(service, service.models) for service in api.services], api.artifact))
    return status


def measured(api: Running, services: Sequence[Service], arguments: Sequence[str]) -> int:
    _say(f"--- {len(services)} process{'es' * (len(services) > 1)} of the API")
    postgres, disk = Spending(api.postgres), Disk(services[0].models.parent)
    with watching(postgres.look), watching(disk.look):
        status = bench(services, ["--seconds", "5", "--rate", "0", "--saturation", "9", *arguments])
    file = Path(arguments[-1])
    if file.exists():
        _say(spending_table(_saturation(file), postgres))
    _say(disk.told())
    return status


def _saturation(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["saturation"]
    return found


def beside(alone: Mapping[str, Any], together: Mapping[str, Any]) -> str:
    lines = ["CPU ms of the API for each request, of one process, of all, and how many times as much:"]
    for name in alone:
        one, all_ = alone[name]["cpu_ms"], together[name]["cpu_ms"]
        lines.append(f"{name:<9} {one:8.2f} {all_:8.2f} {all_ / one:8.2f}")
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
