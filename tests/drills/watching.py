"""A real Prometheus with our rules, and a real Alertmanager, that watch a platform; times are shrunk."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from recommender.local.monitoring import JOB, RULES, Monitoring
from recommender.local.process import stop_child
from tests.drills.platform import Platform, Tell
from tests.drills.shrinking import shrunk

EVERY = "1s"
LOOK_EVERY_S = 0.2
WITHIN_S = 120
QUIET = 13  # scrapes: what looks ten minutes back has something to see at a pace of 60


def nothing() -> None: ...


@dataclass
class Watch:
    monitoring: Monitoring
    tell: Tell
    children: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    since: float = field(default_factory=time.time)

    @classmethod
    def of(cls, platform: Platform, rules: Path, ports: tuple[int, int]) -> "Watch":
        folder = platform.folder
        own = folder / "rules"
        own.mkdir()
        for name in RULES:
            text = (rules / f"{name}.yaml").read_text(encoding="utf-8")
            (own / f"{name}.yaml").write_text(shrunk(text, platform.pace), encoding="utf-8")
        watched = Monitoring(folder, own, lambda name: folder / f"{name}.log", platform.port, *ports, EVERY)
        return cls(watched, platform.tell)

    def start(self) -> None:
        self.monitoring.prepare()
        self.children = [launch() for _, launch in self.monitoring.services()]
        self.monitoring.wait_until_ready(self.check)

    def stop(self) -> None:
        for child in reversed(self.children):
            stop_child(child)

    def check(self) -> None:
        logs = [self.monitoring.folder / f"{name}.log" for name in ("alertmanager", "prometheus")]
        assert all(child.poll() is None for child in self.children), [log.read_text() for log in logs]

    def silent(self, alert: str, meanwhile: Callable[[], object] = nothing) -> None:
        """For a while neither this alert nor a critical one fires, once what has no sample yet is over."""
        never = self.critical() | {alert}
        self._until(lambda: self._scrapes() > 0 and not self._firing() & never, "it begins")
        self.since = time.time()
        self._until(lambda: self._scrapes() >= QUIET, "the API is scraped", meanwhile)
        assert {rule["health"] for rule in self._rules()} == {"ok"}, self._rules()
        assert not self.fired() & never, self.fired()
        self.tell(f"silent: {alert}")

    def fires(self, alert: str, meanwhile: Callable[[], object] = nothing) -> None:
        """In Prometheus, and then it is heard of in Alertmanager."""
        began = time.monotonic()
        self._until(lambda: alert in self._firing(), f"{alert} fires", meanwhile)
        self._until(lambda: alert in self._heard(), f"{alert} is in Alertmanager")
        self.tell(f"FIRES after {time.monotonic() - began:.1f} s: {self._heard()[alert]}")

    def resolves(self, alert: str, *others: str, meanwhile: Callable[[], object] = nothing) -> None:
        """In both; and of the critical ones none but it and these others fired meanwhile."""
        began = time.monotonic()
        for name in (alert, *others):
            self._until(partial(self._over, name), f"{name} ends", meanwhile)
        self.tell(f"resolved after {time.monotonic() - began:.1f} s: {alert}")
        assert self.fired() & self.critical() <= {alert, *others}, self.fired()

    def _over(self, alert: str) -> bool:
        return alert not in self._firing() and alert not in self._heard()

    def fired(self) -> set[str]:
        """Since it began."""
        query = f'count by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{self._window}]))'
        return {found["metric"]["alertname"] for found in self._ask("query", query=query)["result"]}

    @property
    def _window(self) -> str:
        return f"{max(1, round(1000 * (time.time() - self.since)))}ms"

    def critical(self) -> set[str]:
        """But for one that may say nothing but how busy the machine of the drills is."""
        rules = {r["name"] for r in self._rules() if r.get("labels", {}).get("severity") == "critical"}
        return rules - {"MarqueeLatencyBurnFast"}

    def _rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _scrapes(self) -> int:
        """Good ones since it began."""
        found = self._ask("query", query=f'sum_over_time(up{{job="{JOB}"}}[{self._window}])')["result"]
        return int(found[0]["value"][1]) if found else 0

    def _firing(self) -> set[str]:
        alerts = self._ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _heard(self) -> dict[str, str]:
        """With what it says."""
        answer = httpx.get(f"{self.monitoring.alerts_address}/api/v2/alerts", trust_env=False)
        return {a["labels"]["alertname"]: a["annotations"]["summary"] for a in answer.json()}

    def _ask(self, what: str, **asked: str) -> Any:
        answer = httpx.get(f"{self.monitoring.address}/api/v1/{what}", params=asked, trust_env=False)
        return answer.raise_for_status().json()["data"]

    def _until(self, seen: Callable[[], bool], what: str, meanwhile: Callable[[], object] = nothing) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not seen():
            meanwhile()
            assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {what}; fired: {self.fired()}"
            with suppress(subprocess.TimeoutExpired):
                self.children[0].wait(LOOK_EVERY_S)
            self.check()
