"""What a runbook tells to do can be done: its commands, names, settings and panels are there."""

import json
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from dashboards.boards import BOARDS
from recommender.local.places import PROJECT
from tests.charts.rendering import Release, merged, render, values
from tests.charts.test_commands import fault
from tests.charts.values_table import entries
from tests.dashboards.rules import FOLDER, names

PAGES = sorted((FOLDER / "runbooks").glob("*.md"))
KINDS = {
    "deploy": "Deployment", "deployment": "Deployment", "cronjob": "CronJob", "svc": "Service",
    "pvc": "PersistentVolumeClaim", "secret": "Secret", "statefulset": "StatefulSet",
}  # fmt: skip
OF_AIRFLOW = {"Pools", "Import errors"}  # words of its own pages
MADE = {"files-marquee-postgres-0"}  # by the StatefulSet
OF_OTHERS = {"airflow-api-server"}  # of Airflow's chart: tests/k8s has it
SETTING = re.compile(
    r"`((?:api|postgres|backup|persistence|networkPolicy|objectStorage|monitoring|database)\.[\w.]+)`"
)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@cache
def chart() -> Release:
    everything = {"airflow": {"enabled": True}, "monitoring": {"enabled": True}}
    return render(merged(values("default"), everything))


def flat(page: Path) -> str:
    """A command may go on in the next line."""
    return re.sub(r"\s*\\?\n\s*", " ", page.read_text(encoding="utf-8"))


@each_page
def test_what_it_names_in_the_cluster_is_there(page: Path) -> None:
    found = re.findall(rf"\b({'|'.join(KINDS)})[/ ]([a-z][a-z0-9-]+-[a-z0-9-]+)", flat(page))
    named = {f"{KINDS[kind]}/{name}" for kind, name in found if name not in MADE | OF_OTHERS}
    assert named <= chart().titles
    components = set(re.findall(r"app\.kubernetes\.io/component=([a-z]+)", flat(page)))
    assert components <= {pod.component for pod in chart().pods}
    assert set(re.findall(r"marquee-postgres-\d", flat(page))) <= {"marquee-postgres-0"}


@each_page
def test_every_verb_is_one_that_can_be_run(page: Path) -> None:
    text = flat(page)
    asked = re.findall(r"VERB='([^']+)'", text) + re.findall(r"marquee local run ([^`]+)`", text)
    given = [shlex.split(verb.replace("DAY", "2026-01-31")) for verb in asked if verb != "VERB"]
    assert [found for words in given if (found := fault(["marquee", *words]))] == []


def test_a_verb_that_is_not_there_is_seen() -> None:
    assert fault(["marquee", "statuses"])
    assert fault(["marquee", "status", "--days", "2026-01-31"])


@each_page
def test_panels_and_chapters_that_it_names_are_there(page: Path) -> None:
    panels = {panel.title for board in BOARDS for panel in board.panels}
    guides = "".join((PROJECT / guide).read_text() for guide in ("k8s/OPERATING.md", "dags/README.md"))
    chapters = set(re.findall(r"^## (.+)$", guides, re.MULTILINE))
    named = set(re.findall(r"(?<![*\w])\*([A-Z][^*\n]+)\*(?!\*)", flat(page)))
    assert named <= panels | chapters | OF_AIRFLOW


@each_page
def test_settings_and_alerts_that_it_names_are_there(page: Path) -> None:
    keys = {entry.key for entry in entries()}
    wrong = {
        key
        for key in SETTING.findall(flat(page))
        if not any((one + ".").startswith(key + ".") for one in keys)
    }
    assert wrong == set()
    assert set(re.findall(r"\b(?:Marquee|Airflow)[A-Z]\w+", page.read_text())) <= set(names())


@each_page
def test_addresses_of_the_api_are_routes(page: Path) -> None:
    routes = set(json.loads((PROJECT / "api" / "openapi.json").read_text())["paths"]) | {"/ops"}
    asked = re.findall(
        r"http://127\.0\.0\.1:8000(/[\w/]+)|`(?:GET )?(/(?:health|metrics|ops)[\w/]*)`", flat(page)
    )
    assert {one or other for one, other in asked} <= routes
