"""Whatever stands in dashboards/ comes along: rules as PrometheusRules, dashboards as ConfigMaps."""

import json
from pathlib import Path

import pytest
import yaml

from recommender.local.places import PROJECT
from tests.charts.conftest import PANELS, RULES
from tests.charts.kubernetes_schemas import faults
from tests.charts.rendering import Object, render, title

MONITORED: Object = {"monitoring": {"enabled": True, "labels": {"release": "monitoring"}, "folder": "Films"}}


def test_a_file_of_rules_becomes_a_rule_word_for_word(filled: Path) -> None:
    rule = render(MONITORED, chart=filled).one("PrometheusRule", "marquee-example")
    assert rule["spec"] == yaml.safe_load(RULES)
    assert rule["metadata"]["labels"]["release"] == "monitoring"


def test_a_dashboard_becomes_a_config_map_that_grafana_finds(filled: Path) -> None:
    found = render(MONITORED, chart=filled).one("ConfigMap", "marquee-dashboard-example")
    assert json.loads(found["data"]["example.json"]) == PANELS
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"]["grafana_folder"] == "Films"


@pytest.mark.parametrize("broken", ["record: b, for: 1 minute", "x: 1", "expr: [1]"])
def test_a_rule_that_the_operator_refuses_is_seen(filled: Path, broken: str) -> None:
    rule = render(MONITORED, chart=filled).one("PrometheusRule", "marquee-example")
    assert faults("1.37", rule) == []
    group = rule["spec"]["groups"][0]
    worse = group["rules"][0] | yaml.safe_load(f"{{{broken}}}")
    assert faults("1.37", rule | {"spec": {"groups": [group | {"rules": [worse]}]}})


def test_prometheus_finds_the_port_of_the_service() -> None:
    release = render(MONITORED)
    monitor = release.one("ServiceMonitor", "marquee-api")["spec"]
    service = release.one("Service", "marquee-api")
    labels = monitor["selector"]["matchLabels"].items()
    assert [title(one) for one in release.all("Service") if labels <= one["metadata"]["labels"].items()] == [
        title(service)
    ]
    assert [one["port"] for one in monitor["endpoints"]] == [service["spec"]["ports"][0]["name"]]
    assert [one["path"] for one in monitor["endpoints"]] == ["/metrics"]


def test_every_file_of_the_project_comes_along() -> None:
    release = render(MONITORED)
    rules = {f"marquee-{path.stem}" for path in (PROJECT / "dashboards").glob("rules/*.yaml")}
    boards = {f"marquee-dashboard-{path.stem}" for path in (PROJECT / "dashboards").glob("*.json")}
    assert {one["metadata"]["name"] for one in release.all("PrometheusRule")} == rules
    named = {one["metadata"]["name"] for one in release.all("ConfigMap")}
    assert {name for name in named if "-dashboard-" in name} == boards


def test_the_folder_is_there_in_a_fresh_clone() -> None:
    """Git keeps no empty folder, and Helm loads no chart with a link that leads nowhere."""
    kept = [path for path in (PROJECT / "dashboards").rglob("*") if path.is_file()]
    assert kept
