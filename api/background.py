"""A thread that does one thing again and again, and outlives whatever goes wrong with it."""

import logging
import threading
from collections.abc import Callable

from api.metrics import Metrics

JOIN_S = 5  # the process does not wait longer for a thread when it ends
log = logging.getLogger("marquee.background")


class Background:
    def __init__(self, name: str, every_s: float, work: Callable[[], None], metrics: Metrics) -> None:
        self._name, self._every_s, self._work = name, every_s, work
        self._failures = metrics.background_failures.labels(thread=name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(JOIN_S)

    def turn(self) -> None:
        """The work once. An error ends neither the thread nor the process."""
        try:
            self._work()
        except Exception as error:  # the thread's edge
            self._failures.inc()
            log.error("the thread %s goes on after an error nobody foresaw", self._name, exc_info=error)

    def _run(self) -> None:
        self.turn()
        while not self._stop.wait(self._every_s):
            self.turn()
