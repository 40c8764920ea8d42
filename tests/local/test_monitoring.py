"""Prometheus and Alertmanager beside the platform of one machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from recommender.errors import Failed
from recommender.local import monitoring, running
from recommender.local.monitoring import JOB, RULES, Monitoring
from recommender.local.places import Parts, Places
from tests.local.conftest import processes_of, setup
from tests.ports import free_port

WITHIN_S = 60
MISSING = r"There is no {} on this machine.* sudo apt install prometheus prometheus-alertmanager$"


@pytest.fixture
def watch(tmp_path: Path) -> Monitoring:
    folder = tmp_path / "in [brackets]"
    watch = Monitoring(folder, Places().rules, lambda name: folder / f"{name}.log", 1, 2, 3)
    watch.prepare()
    return watch


def wanted(tool: str) -> str:
    return shutil.which(tool) or pytest.skip(f"{tool} of Debian's prometheus packages is not here")


def test_every_rule_is_watched_but_those_that_need_airflow_or_kubernetes() -> None:
    assert {path.stem for path in Places().rules.glob("*.yaml")} - set(RULES) == {"airflow", "backup"}


def test_prometheus_reads_its_settings_and_finds_every_rule(watch: Monitoring) -> None:
    done = subprocess.run(
        [wanted("promtool"), "check", "config", "prometheus.yml"],
        cwd=watch.folder / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(RULES)} rule files found" in done.stdout


def test_alertmanager_reads_its_settings_which_notify_nobody(watch: Monitoring) -> None:
    settings = watch.folder / "alertmanager" / "alertmanager.yml"
    assert json.loads(settings.read_text())["receivers"] == [{"name": "nobody"}]
    done = subprocess.run(
        [wanted("amtool"), "check-config", settings],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_start_keeps_what_was_measured(watch: Monitoring) -> None:
    measured = watch.folder / "prometheus" / "data" / "wal"
    measured.mkdir(parents=True)
    watch.prepare()
    assert measured.is_dir()
    assert all((watch.folder / "prometheus" / "rules" / f"{name}.yaml").is_file() for name in RULES)


@pytest.mark.parametrize("there", [(), ("prometheus",), ("alertmanager",)])
def test_a_program_that_is_missing_is_named_with_what_installs_it(
    there: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in there:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = "Alertmanager" if "prometheus" in there else "Prometheus"
    with pytest.raises(Failed, match=MISSING.format(missing)):
        monitoring.check_programs()


def test_upstreams_name_of_alertmanager_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prometheus", "alertmanager"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monitoring.check_programs()
    assert monitoring.program("Alertmanager") == tmp_path / "alertmanager"


def test_they_listen_on_the_loopback_address_and_are_told_no_secret(
    watch: Monitoring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prometheus", "alertmanager"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$@"; env')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin:of-marquee@db.example.com/films")
    for _, launch in watch.services():
        launch().wait(WITHIN_S)
    alerts, metrics = (watch.log(name).read_text() for name in ("alertmanager", "prometheus"))
    assert "--web.listen-address=127.0.0.1:3 " in alerts
    assert "--cluster.listen-address=\n" in alerts, "by itself it listens to others of its kind everywhere"
    assert "--web.listen-address=127.0.0.1:2 " in metrics
    assert r"--web.cors.origin=http://127\.0\.0\.1:2" in metrics
    assert "of-marquee" not in alerts + metrics


def test_without_its_programs_nothing_is_started(clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from recommender.cli import main; main()", "local", "up", "--monitoring"],
        env={**os.environ, "PATH": str(clone), "PYTHONPATH": str(clone)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("marquee: There is no Prometheus on this machine")
    assert not (clone / ".marquee").exists()


def test_the_supervisor_is_told_what_was_asked_for() -> None:
    assert Parts().words == []
    assert Parts(airflow=False, monitoring=True).words == ["--no-airflow", "--monitoring"]


@pytest.mark.full
def test_it_watches_the_api_and_knows_every_rule_until_down(clone: Path) -> None:
    try:
        monitoring.check_programs()
    except Failed as missing:
        pytest.skip(str(missing))
    ports = {name: str(free_port()) for name in ("MARQUEE_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")}
    try:
        first = setup(clone, "local", "--no-airflow", "--monitoring", **ports)
        assert first.returncode == 0, first.stdout + first.stderr
        assert f"\nMetrics   http://127.0.0.1:{ports['PROMETHEUS_PORT']}, Prometheus; " in first.stdout
        assert f"\nOps page  http://127.0.0.1:{ports['MARQUEE_PORT']}/ops\n" in first.stdout
        ask = asking(f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}/api/v1")
        eventually(lambda: targets(ask) == {JOB: "up", "prometheus": "up", "alertmanager": "up"})
        groups = ask("rules")["groups"]
        assert {Path(group["file"]).stem for group in groups} == set(RULES)
        eventually(lambda: healths(ask) == {"ok"})
        (known,) = ask("alertmanagers")["activeAlertmanagers"]
        assert known["url"].startswith(f"http://127.0.0.1:{ports['ALERTMANAGER_PORT']}/")
        before = samples(ask)
        kill("Prometheus", clone / ".marquee")
        eventually(lambda: samples(ask) > before)  # it was started again, and has kept what it knew
    finally:
        down = setup(clone, "down")
    assert down.stdout == "Marquee is stopped.\n"
    assert not list(processes_of(clone))
    assert (clone / ".marquee" / "prometheus" / "data" / "wal").is_dir()


Ask = Callable[[str], Any]


def asking(api: str) -> Ask:
    return lambda what: httpx.get(f"{api}/{what}", trust_env=False).raise_for_status().json()["data"]


def samples(ask: Ask) -> int:
    """Of the API, since it was first scraped; 0 while nobody answers."""
    with suppress(httpx.HTTPError):
        found = ask(f'query?query=count_over_time(up{{job="{JOB}"}}[1h])')["result"]
        return int(found[0]["value"][1])
    return 0


def kill(name: str, state: Path) -> None:
    (pid,) = [pid for pid, of in running.children(state).items() if of == name]
    os.kill(pid, signal.SIGKILL)


def targets(ask: Ask) -> dict[str, str]:
    return {target["labels"]["job"]: target["health"] for target in ask("targets")["activeTargets"]}


def healths(ask: Ask) -> set[str]:
    """`unknown` is a rule that was not asked yet."""
    return {rule["health"] for group in ask("rules")["groups"] for rule in group["rules"]}


def eventually(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not seen():
        assert time.monotonic() < deadline
