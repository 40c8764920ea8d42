"""A service is a child that should live as long as the platform; a watch starts it again when it ends."""

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from recommender.errors import MarqueeError
from recommender.local.process import stop_child
from recommender.local.running import end_session

CALM_S = 60.0  # after this long its earlier deaths are forgotten
LONGEST_PAUSE_S = 60.0


@dataclass
class Service:
    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    record: Callable[[str, int], None]  # its name and process id
    ends_by: signal.Signals = signal.SIGTERM
    patience_s: float = 15  # until it is ended by force
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        if self.child:
            end_session(self.child.pid)  # what a dead one left behind
        self.child = self.launch()
        self.record(self.name, self.child.pid)
        return self.child

    def ask_to_end(self) -> None:
        if self.child and self.child.poll() is None:
            self.child.send_signal(self.ends_by)

    def stop(self) -> None:
        if self.child:
            stop_child(self.child, self.ends_by, self.patience_s)
        self.child = None

    @property
    def ended(self) -> str:
        """How it ended; "" while it lives."""
        status = self.child.poll() if self.child else 0
        if status is None:
            return ""
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


@dataclass
class Watch:
    service: Service
    say: Callable[[str], None]
    failures: int = 0
    _since: float = field(default=0.0, init=False)
    _due: float | None = field(default=None, init=False)

    def look(self, now: float) -> None:
        if self._due is not None and now >= self._due:
            self._start_again(now)
        elif self._due is None and self.service.ended:
            self._plan(now, self.service.ended)
        elif self._due is None and now - self._since > CALM_S:
            self.failures = 0

    def _plan(self, now: float, why: str) -> None:
        pause = min(2.0**self.failures, LONGEST_PAUSE_S)
        self.failures += 1
        self._due = now + pause
        self.say(f"{self.service.name} {why}; it is started again in {pause:.0f} s.")

    def _start_again(self, now: float) -> None:
        try:
            self.service.start()
        except MarqueeError as error:
            self._plan(now, f"did not start: {error}")
            return
        self._since, self._due = now, None
        self.say(f"{self.service.name} is started again.")
