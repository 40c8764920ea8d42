"""What every step of a start can do: run a program to its end, start a service, skip what is done."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recommender.errors import Failed
from recommender.local import running, verbs
from recommender.local.done import Done
from recommender.local.places import Places
from recommender.local.report import Report
from recommender.local.secrets import read_or_make
from recommender.local.service import Service

Child = subprocess.Popen[bytes]
POSTGRES = "Postgres"


class Start:
    def __init__(self, places: Places, report: Report) -> None:
        self.places, self.report = places, report
        self.secrets = read_or_make(places.secrets)
        self.done = Done(places.done)
        self.services: list[Service] = []

    def service(self, name: str, launch: Callable[[], Child], **how: Any) -> Child:
        """From here on it is watched, and stopped with the rest."""
        service = Service(name, launch, partial(running.record, self.places.state), **how)
        self.services.append(service)
        return service.start()

    def check(self) -> None:
        """Raises when a service has ended that should live."""
        for service in self.services:
            if service.ended:
                raise Failed(f"{service.name} {service.ended} (more in {self.places.state / 'log'})")

    def stop(self) -> None:
        """All at once, but for the database, which the others still need while they end."""
        for service in self.services:
            if service.name != POSTGRES:
                service.ask_to_end()
        for service in reversed(self.services):
            service.stop()

    def run(
        self,
        log: str,
        program: Sequence[str | Path],
        env: Mapping[str, str],
        show: Callable[[str], None] | None = None,
    ) -> bool:
        """As a person would by hand; False when there was nothing to do."""
        return verbs.run(
            program,
            env=env,
            cwd=self.places.project,
            log=self.places.fresh_log(log),
            show=show or self.report.line,
        )

    def once(self, step: str, key: str, work: Callable[[], object]) -> None:
        if not self.done.once(step, key, work):
            self.report.note("done before")
