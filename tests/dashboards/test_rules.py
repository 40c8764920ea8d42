"""Each alert says what, who feels it and what to do; it is tried both ways; it adds up what may be added."""

import json
import re
from pathlib import Path

import pytest

from recommender.local.places import PROJECT
from tests.charts.monitoring_crds import DURATION
from tests.dashboards import promql
from tests.dashboards.cases import cases, fires, stays_silent
from tests.dashboards.rules import FILES, FOLDER, Rule, alerts, behind, names, read, records, rules
from tests.dashboards.sources import OF_TARGETS, known

PAGE = (PROJECT / "api" / "METRICS.md").read_text(encoding="utf-8")
OF_THE_PLATFORM = set(re.findall(r"^\| `(\w+)`", PAGE.split("## The platform")[1], re.MULTILINE))
GAUGES = set(re.findall(r"^\| `(marquee_\w+)` \| gauge", PAGE, re.MULTILINE))
PARTS = {"api", "model", "data", "airflow", "database", "backup"}
RUNBOOKS = sorted((FOLDER / "runbooks").glob("*.md"))
ABSENT = ("marquee:figures:absent", "marquee:figures:lost")


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_an_expression_parses_and_type_checks(rule: Rule) -> None:
    assert promql.metrics(rule.tree)


@pytest.mark.parametrize("rule", alerts(), ids=str)
def test_an_alert_says_how_bad_what_where_and_what_to_do(rule: Rule) -> None:
    said = rule.said
    assert set(said["labels"]) == {"severity", "part"}
    assert said["labels"]["severity"] in {"critical", "warning", "info"}
    assert said["labels"]["part"] in PARTS
    assert set(said["annotations"]) == {"summary", "impact", "runbook"}
    assert said["annotations"]["runbook"] == f"dashboards/runbooks/{rule.name}.md"
    assert all(re.fullmatch(r"[^\n]{20,200}\.", said["annotations"][key]) for key in ("summary", "impact"))
    assert re.fullmatch(DURATION, said.get("for", "0"))


@pytest.mark.parametrize("rule", alerts(), ids=str)
def test_an_alert_on_a_number_tells_it(rule: Rule) -> None:
    """Where the value only says that something is so, the summary is whole without it."""
    yes_or_no = {"MarqueeDown", "MarqueeNoModel", "MarqueeVersionsDiffer", "MarqueeFiguresAbsent",
                 "AirflowSchedulerSilent", "AirflowDagLate", "AirflowDagFailed"}  # fmt: skip
    assert ("$value" in rule.said["annotations"]["summary"]) != (rule.name in yes_or_no)


@pytest.mark.parametrize("rule", alerts(), ids=str)
def test_labels_that_a_summary_names_are_kept(rule: Rule) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", str(rule.said["annotations"])))
    given = promql.given(rule.tree).union(*(known("rules").get(name, set()) for name in behind(rule.tree)))
    assert named <= given.union(*promql.groupings(rule.tree))


def test_alerts_and_runbooks_are_a_pair() -> None:
    assert [page.stem for page in RUNBOOKS] == names()


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_is_one_page_with_what_it_owes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert 12 <= len(text.splitlines()) <= 45
    for owed in ("**It means**", "**To do nothing**", "**It ends**"):
        assert owed in text


@pytest.mark.parametrize("alert", names())
def test_an_alert_is_seen_to_fire_and_to_stay_silent(alert: str) -> None:
    assert fires(alert)
    assert stays_silent(alert)


def test_a_case_that_fires_expects_labels_and_words() -> None:
    for case in cases():
        for looked in case.said.get("alert_rule_test", ()):
            for expected in looked["exp_alerts"]:
                assert set(expected["exp_annotations"]) == {"summary", "impact", "runbook"}, case.name
                assert {"severity", "part"} <= set(expected["exp_labels"]), case.name


def test_a_case_of_silence_expects_nothing_at_first() -> None:
    """A silent case may go on to show when it would fire, but never begins with it."""
    for case in cases():
        if case.name.startswith("silent") and case.said.get("alert_rule_test"):
            assert case.said["alert_rule_test"][0]["exp_alerts"] == [], case.name


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_what_every_process_tells_alike_is_never_added_up(rule: Rule) -> None:
    for operator in ("sum", "avg"):
        for _, added in promql.aggregations(rule.tree, operator):
            assert added.isdisjoint(GAUGES | OF_THE_PLATFORM)
    counted = {"marquee_ready", "marquee_database_up", "marquee_model_loaded", "marquee_model_info"}
    for _, added in promql.aggregations(rule.tree, "count"):
        if rule.name not in ABSENT:
            assert added & GAUGES <= counted


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_a_figure_of_the_platform_is_the_most_of_its_replicas(rule: Rule) -> None:
    """But where it only counts whether it is there."""
    inside = set[str]().union(*(added for _, added in promql.aggregations(rule.tree, "max")))
    if rule.name not in ABSENT:
        assert promql.metrics(rule.tree) & OF_THE_PLATFORM <= inside


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_one_install_does_not_hide_another(rule: Rule) -> None:
    assert all("namespace" in labels for labels in promql.groupings(rule.tree))


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_a_counter_is_only_read_as_what_it_grew(rule: Rule) -> None:
    counters = {one for one in promql.metrics(rule.tree) if one.startswith(("http_", "marquee_")) and
                one.endswith(("_total", "_count", "_bucket"))}  # fmt: skip
    if rule.name not in ABSENT:
        assert counters <= promql.calls(rule.tree, "rate", "increase")


def test_each_figure_that_only_the_api_tells_is_watched_for_its_absence() -> None:
    """Requests begin with the first one, so nobody can say that they are absent."""
    watched = {rule.said["labels"]["figure"] for rule in records() if rule.name in ABSENT}
    used = set[str]().union(*(behind(rule.tree) for rule in alerts() if rule.name != "MarqueeFiguresAbsent"))
    assert {name for name in used & set(known("api")) if not name.startswith("http_")} == watched


@pytest.mark.parametrize("rule", [one for one in records() if one.name in ABSENT], ids=str)
def test_an_absence_is_of_the_figure_that_it_names(rule: Rule) -> None:
    figure = rule.said["labels"]["figure"]
    assert promql.metrics(rule.tree) - {"up"} == {figure, "marquee:api:scraped"}
    asked = "absent" if rule.name == "marquee:figures:absent" else "last_over_time"
    assert promql.calls(rule.tree, asked) == {figure}


def strings(name: str, label: str) -> set[str]:
    """What rules compare a label of these metrics with."""
    found = (one for rule in rules() for one in promql.matchers(rule.tree))
    return {value for metric, asked, value in found if re.fullmatch(name, metric) and asked == label}


def test_routes_that_do_not_count_are_routes() -> None:
    document = json.loads((PROJECT / "api" / "openapi.json").read_text(encoding="utf-8"))
    for pattern in strings("http_.*", "handler"):
        for part in set(pattern.split("|")) - {"none", "/ops.*"}:
            assert any(re.fullmatch(part, path) for path in document["paths"]), part


def test_jobs_are_the_steps_of_the_dags() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "dags").glob("*_*.py"))
    steps = set(re.findall(r'step\("([a-z-]+)"', text))
    (failing,) = (one for one in strings("marquee_job_finished_timestamp_seconds", "verb") if "|" in one)
    assert set(failing.split("|")) == steps - {"fetch"}


def test_dags_are_the_ones_that_there_are() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "dags").glob("*_*.py"))
    dags = set(re.findall(r'dag_id="([a-z-]+)"', text))
    assert {one for pattern in strings("airflow_dagrun_.*", "dag_id") for one in pattern.split("|")} == dags


def test_groups_have_names_of_their_own() -> None:
    found = [group["name"] for file in FILES for group in read(file)["groups"]]
    assert len(set(found)) == len(found)


def test_no_label_of_a_target_but_the_namespace_is_kept() -> None:
    """A pod that is replaced would end an alert and begin another."""
    kept = set[str]().union(*(labels for rule in rules() for labels in promql.groupings(rule.tree)))
    assert kept & OF_TARGETS == {"namespace"}
