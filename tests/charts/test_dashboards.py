"""Whatever stands in dashboards/ comes along: rules as PrometheusRules, dashboards as ConfigMaps."""

import json
import re
from pathlib import Path

import pytest
import yaml

from recommender.local.places import PROJECT
from tests.charts.conftest import PANELS, RULES
from tests.charts.kubernetes_schemas import faults
from tests.charts.rendering import Object, Release, load, merged, render, title

MONITORED: Object = {"monitoring": {"enabled": True, "labels": {"release": "monitoring"}, "folder": "Films"}}
NO_BACKUP: Object = {"backup": {"enabled": False}}
EXTERNAL: Object = {
    "existingSecret": "mine",
    "database": {"external": {"enabled": True, "host": "db.example.com"}},
}


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


def of_a_file(release: Release, stem: str) -> set[str]:
    """A file's rules or its board, by the name that they have in the cluster."""
    return release.titles & {f"PrometheusRule/marquee-{stem}", f"ConfigMap/marquee-dashboard-{stem}"}


def test_rules_on_backups_come_where_there_are_backups() -> None:
    assert of_a_file(render(MONITORED), "backup") == {"PrometheusRule/marquee-backup"}
    for without in (NO_BACKUP, EXTERNAL):
        assert of_a_file(render(merged(MONITORED, without)), "backup") == set()


def test_rules_and_board_of_airflow_are_left_out_where_nobody_wants_them() -> None:
    assert len(of_a_file(render(MONITORED), "airflow")) == 2
    without = render(merged(MONITORED, {"monitoring": {"airflow": False}}))
    assert of_a_file(without, "airflow") == set()
    assert of_a_file(without, "api") == of_a_file(render(MONITORED), "api")


@pytest.mark.parametrize("address", ["https://wiki.example.com/marquee", "https://wiki.example.com/marquee/"])
def test_each_alert_leads_to_its_runbook_where_an_address_is_given(address: str) -> None:
    release = render(merged(MONITORED, {"monitoring": {"runbooks": address}}))
    alerts = [one for one in rules_of(release) if "alert" in one]
    assert len(alerts) > 30
    for alert in alerts:
        page = f"https://wiki.example.com/marquee/{alert['alert']}.md"
        assert alert["annotations"]["runbook_url"] == page
    plain = {str(one | {"annotations": without_address(one)}) for one in rules_of(release)}
    assert plain == {str(one | {"annotations": without_address(one)}) for one in rules_of(render(MONITORED))}


def without_address(rule: Object) -> Object:
    return {key: said for key, said in rule.get("annotations", {}).items() if key != "runbook_url"}


def rules_of(release: Release) -> list[Object]:
    groups = (group for one in release.all("PrometheusRule") for group in one["spec"]["groups"])
    return [rule for group in groups for rule in group["rules"]]


def test_no_alert_has_an_address_unless_one_is_given() -> None:
    assert not any("runbook_url" in rule.get("annotations", {}) for rule in rules_of(render(MONITORED)))


def test_the_chart_carries_boards_and_rules_and_nothing_else() -> None:
    """What writes the boards, pictures and runbooks would only make each release larger."""
    carried = {file["name"] for file in load().files if file["name"].startswith("dashboards/")}
    there = {f"dashboards/{path.name}" for path in (PROJECT / "dashboards").glob("*.json")}
    there |= {f"dashboards/rules/{path.name}" for path in (PROJECT / "dashboards").glob("rules/*.yaml")}
    assert carried == there


@pytest.mark.parametrize("name", ["marquee", "films"])
def test_the_job_is_the_one_that_the_rules_ask_for(name: str) -> None:
    monitor = render(MONITORED, name=name).all("ServiceMonitor")[0]["spec"]
    jobs = {rule["replacement"] for one in monitor["endpoints"] for rule in one["relabelings"]}
    asked = {
        job for rule in rules_of(render(MONITORED)) for job in re.findall(r'job="([^"]+)"', rule["expr"])
    }
    assert asked == jobs == {"marquee-api"}


def test_the_folder_is_there_in_a_fresh_clone() -> None:
    """Git keeps no empty folder, and Helm loads no chart with a link that leads nowhere."""
    kept = [path for path in (PROJECT / "dashboards").rglob("*") if path.is_file()]
    assert kept
