"""Who is told of an alert, and which alert keeps another back."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import documents, merged
from tests.dashboards.rules import alerts
from tests.k8s.test_values import K8S, values

Labels = dict[str, str]
MATCHER = re.compile(r'(\w+) (=~|!=|=) "(.*)"')
AMTOOL = shutil.which("amtool")
NAMES = {alert.name for alert in alerts()}
OF_OTHERS = {"Watchdog", "InfoInhibitor"}


def config(*more: dict[str, Any]) -> dict[str, Any]:
    """As it is when values of the user's own are merged over ours, the way Helm does it."""
    return dict(merged(shipped(), *more)["alertmanager"]["config"])


@cache
def shipped() -> dict[str, Any]:
    return dict(values("monitoring"))


def matches(matcher: str, labels: Labels) -> bool:
    parts = MATCHER.fullmatch(matcher)
    assert parts, matcher
    label, operator, value = parts.groups()
    found = labels.get(label, "")
    if operator == "=~":
        return re.fullmatch(value, found) is not None
    return (found == value) == (operator == "=")


def of(name: str, **more: str) -> Labels:
    """The labels that the alert would have, in namespace marquee or as said."""
    said = next(alert.said["labels"] for alert in alerts() if alert.name == name)
    return {"alertname": name, "namespace": "marquee", **said, **more}


def kept_back(target: Labels, source: Labels) -> bool:
    return any(
        all(matches(one, source) for one in rule["source_matchers"])
        and all(matches(one, target) for one in rule["target_matchers"])
        and all(source.get(label, "") == target.get(label, "") for label in rule.get("equal", ()))
        for rule in config()["inhibit_rules"]
    )


AWAY, DOWN = of("MarqueeDatabaseAway"), of("MarqueeDown")
READ = "marquee_figures_timestamp_seconds"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (DOWN, of("MarqueeErrorsBurnFast")),
        (DOWN, of("MarqueeFiguresAbsent", figure=READ)),
        (of("MarqueeDown", namespace=""), of("MarqueeFiguresAbsent", namespace="", figure=READ)),
        (AWAY, of("MarqueeFiguresStale")),
        (AWAY, of("MarqueeErrorsBurnFast")),
        (AWAY, of("MarqueeDayMissing")),
        (of("MarqueeFiguresStale"), of("MarqueeDrift", measure="stars")),
        (of("MarqueeFiguresAbsent", figure=READ), of("MarqueeJobFailed", verb="load")),
        (of("MarqueeErrorsBurnFast"), of("MarqueeErrorsBurnSlow")),
        (of("MarqueeDatabaseFull", severity="critical"), of("MarqueeDatabaseFull", severity="warning")),
        (of("MarqueeNoModel", severity="critical"), of("MarqueeNoModel", severity="warning")),
        (of("MarqueeModelLoadFails"), of("MarqueeVersionsDiffer")),
        (
            of("MarqueeBackupFailed", cronjob="marquee-backup"),
            of("MarqueeBackupOld", cronjob="marquee-backup"),
        ),
        (of("AirflowSchedulerSilent", namespace="airflow"), of("AirflowDagLate", namespace="airflow")),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_what_follows_from_another_is_kept_back(source: Labels, target: Labels) -> None:
    assert kept_back(target, source)
    assert not kept_back(target | {"namespace": "staging"}, source)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (DOWN, AWAY),
        (DOWN, of("MarqueeDatabaseFull", severity="critical")),
        (DOWN, of("MarqueeBackupOld")),
        (AWAY, DOWN),
        (AWAY, of("MarqueeDatabaseFull", severity="critical")),
        (of("MarqueeFiguresAbsent", figure="marquee_drift_psi"), of("MarqueeDayMissing")),
        (of("MarqueeFiguresStale"), of("MarqueeModelLoadFails")),
        (of("MarqueeErrorsBurnSlow"), of("MarqueeErrorsBurnFast")),
        (of("MarqueeErrorsBurnFast"), of("MarqueeLatencyBurnSlow")),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_what_has_a_cause_of_its_own_is_told(source: Labels, target: Labels) -> None:
    assert not kept_back(target, source)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_alert_keeps_itself_back(name: str) -> None:
    assert not kept_back(of(name), of(name))


def test_every_name_is_one_of_an_alert() -> None:
    text = (K8S / "monitoring.yaml").read_text()
    named = re.findall(r'alertname (?:=~|!=|=) "([^"]+)"', text)
    for pattern in (part for one in named for part in one.split("|")):
        assert any(re.fullmatch(pattern, name) for name in NAMES | OF_OTHERS), pattern


def route_of(labels: Labels) -> str:
    routes = config()["route"]["routes"]
    found = (one for one in routes if all(matches(matcher, labels) for matcher in one["matchers"]))
    return str(next(found, config()["route"])["receiver"])


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, "watchdog"),
        ({"alertname": "InfoInhibitor", "severity": "none"}, "nobody"),
        ({"alertname": "MarqueeDown", "severity": "critical"}, "pages"),
        ({"alertname": "MarqueeDrift", "severity": "warning"}, "tickets"),
        ({"alertname": "Anything", "severity": "info"}, "nobody"),
        ({"alertname": "Anything"}, "nobody"),
    ],
)
def test_an_alert_goes_where_its_severity_says(labels: Labels, receiver: str) -> None:
    assert route_of(labels) == receiver


def test_pages_of_one_install_are_one() -> None:
    """Errors are told before the database is, which is why, and are still told when it is back."""
    (pages,) = (one for one in config()["route"]["routes"] if one["receiver"] == "pages")
    assert pages["group_by"] == ["namespace"]


def test_nobody_is_told_unless_somebody_says_so() -> None:
    said = config()
    assert [set(one) for one in said["receivers"]] == [{"name"}] * 4
    used = {one["receiver"] for one in said["route"]["routes"]} | {said["route"]["receiver"]}
    assert {one["name"] for one in said["receivers"]} == used


def snippet() -> dict[str, Any]:
    """What OPERATING.md says to write into k8s/own/monitoring.yaml."""
    text = (K8S / "OPERATING.md").read_text().split("## Who is told of an alert")[1]
    (found,) = documents(re.findall(r"```\n(alertmanager:.*?)```", text, re.DOTALL)[0])
    return found


def test_receivers_of_the_users_own_leave_the_routes_as_they_are() -> None:
    own = config(snippet())
    assert {one["name"] for one in own["receivers"]} == {one["name"] for one in config()["receivers"]}
    assert (own["route"], own["inhibit_rules"]) == (config()["route"], config()["inhibit_rules"])
    (keys,) = snippet()["alertmanager"]["alertmanagerSpec"]["secrets"]
    files = re.findall(r"'(/etc/alertmanager/[^']+)'", str(own))
    assert files
    assert all(file.startswith(f"/etc/alertmanager/secrets/{keys}/") for file in files)


needs_amtool = pytest.mark.skipif(
    AMTOOL is None, reason="wants amtool (apt-get install prometheus-alertmanager)"
)


def told(*words: str | Path) -> str:
    done = subprocess.run([str(AMTOOL), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_amtool
@pytest.mark.parametrize("more", [[], [snippet()]], ids=["as it comes", "with receivers"])
def test_alertmanager_reads_it_and_routes_alike(more: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(config(*more)))
    assert "SUCCESS" in told("check-config", file)
    for alert in alerts():
        labels = [f"{label}={value}" for label, value in of(alert.name, **alert.said["labels"]).items()]
        receiver = told("config", "routes", "test", f"--config.file={file}", *labels).strip()
        assert receiver == {"critical": "pages", "warning": "tickets"}[alert.said["labels"]["severity"]]
