"""Airflow's metrics: what the mapping in its values makes of what is sent, and what was recorded of that."""

import re
from collections import defaultdict
from functools import cache
from typing import Any

import pytest

from recommender.local.places import PROJECT
from tests.k8s.test_values import values

RECORDED = PROJECT / "dashboards" / "sources" / "airflow.prom"
SAMPLE = re.compile(r"(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+")
DEFAULT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]  # statsd_exporter's
# As Airflow sends them, without their tags.
SENT = {
    "counter": """
        asset.triggered_dagruns asset.updates dag_processor_heartbeat scheduler.orphaned_tasks.adopted
        scheduler.orphaned_tasks.cleared scheduler_heartbeat task_instance_created ti.finish ti.start
        ti_failures ti_successes triggerer_heartbeat triggers.succeeded
    """,
    "gauge": """
        asset.orphaned dag_processing.file_path_queue_size dag_processing.import_errors
        dag_processing.last_run.seconds_ago dag_processing.total_parse_time dagbag_size executor.open_slots
        executor.queued_tasks executor.running_tasks pool.deferred_slots pool.open_slots pool.queued_slots
        pool.running_slots pool.scheduled_slots pool.starving_tasks scheduler.dagruns.running
        scheduler.tasks.executable scheduler.tasks.starving ti.deferred ti.queued ti.running
        triggerer.capacity_left triggers.running
    """,
    "observer": """
        dag_processing.last_duration dagrun.duration.failed dagrun.duration.success
        dagrun.first_task_scheduling_delay dagrun.first_task_start_delay dagrun.schedule_delay
        scheduler.critical_section_duration scheduler.scheduler_loop_duration
        task.duration task.scheduled_duration
    """,
}
# The same events once more, or what no counter can hold.
TOO_MUCH = [
    ("operator_failures", "counter"),
    ("operator_successes", "counter"),
    ("dagrun.train-model.first_task_scheduling_delay", "observer"),
    ("dag_processing.processes", "counter"),
]
BOUNDED = {
    *("dag_id", "task_id", "state", "task_type", "file_name", "bundle_name"),
    *("pool_name", "executor_class_name", "status"),
}
Rule = dict[str, Any]


def rules() -> list[Rule]:
    return list(values("airflow")["statsd"]["overrideMappings"])


def first_rule(metric: str, kind: str) -> tuple[Rule, re.Match[str]] | None:
    """As statsd_exporter looks: first patterns with *, a part without dots, then regular expressions."""
    for rule in sorted(rules(), key=lambda rule: rule.get("match_type") == "regex"):
        pattern = rule["match"]
        if rule.get("match_type") != "regex":
            pattern = re.escape(pattern).replace(r"\*", "([^.]*)") + "$"
        match = re.match(pattern, metric)
        if match and rule.get("match_metric_type", kind) == kind:
            return rule, match
    return None


def name_of(metric: str, kind: str) -> str | None:
    found = first_rule(f"airflow.{metric}", kind)
    if found and found[0].get("action") == "drop":
        return None
    name = found[1].expand(found[0]["name"].replace("${1}", r"\1")) if found else f"airflow.{metric}"
    return re.sub(r"\W", "_", name)


def sent() -> list[tuple[str, str]]:
    return [(metric, kind) for kind, metrics in SENT.items() for metric in metrics.split()]


@cache
def types() -> dict[str, str]:
    """What airflow.prom says of each name."""
    declared = (line.split() for line in RECORDED.read_text().splitlines() if line.startswith("# TYPE "))
    return {name: kind for _, _, name, kind in declared}


@cache
def labels() -> dict[str, list[dict[str, str]]]:
    """Of each of its samples, by name."""
    found = defaultdict(list)
    for line in RECORDED.read_text().splitlines():
        if match := SAMPLE.fullmatch(line):
            found[match[1]].append(dict(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))
    return dict(found)


def recorded() -> set[str]:
    return {name for name in types() if name.startswith("airflow_")}


def bounds(name: str) -> list[float]:
    """The upper ends of the buckets of one of its series."""
    first, *_ = labels()[name]
    ours = {key: value for key, value in first.items() if key != "le"}
    said = [sample["le"] for sample in labels()[name] if "le" in sample and ours.items() <= sample.items()]
    return [float(end) for end in said if end != "+Inf"]


def test_what_was_recorded_is_what_the_mapping_makes() -> None:
    assert {name_of(metric, kind) for metric, kind in sent()} == recorded() == labels().keys() - others()


def others() -> set[str]:
    return {name for name in types() if name.startswith("statsd_exporter_")}


@pytest.mark.parametrize(("metric", "kind"), TOO_MUCH)
def test_what_would_count_twice_is_dropped(metric: str, kind: str) -> None:
    assert name_of(metric, kind) is None


@pytest.mark.parametrize("name", sorted(recorded()))
def test_no_series_is_the_sum_of_others(name: str) -> None:
    assert len({tuple(sorted(sample.keys() - {"le"})) for sample in labels()[name]}) == 1


def test_a_label_has_few_values() -> None:
    names = {label for name in recorded() for sample in labels()[name] for label in sample}
    assert names - {"le"} <= BOUNDED
    left_out = values("airflow")["config"]["metrics"]["statsd_disabled_tags"].split(",")
    assert not [label for label in names if any(word in label for word in left_out)]


@pytest.mark.parametrize("metric", SENT["observer"].split())
def test_a_duration_is_a_histogram_in_seconds(metric: str) -> None:
    found = first_rule(f"airflow.{metric}", "observer")
    name = name_of(metric, "observer")
    assert found and name and name.endswith("_seconds")
    assert types()[name] == "histogram"
    assert bounds(name) == found[0].get("histogram_options", {}).get("buckets", DEFAULT_BUCKETS)


def test_a_gauge_that_nobody_sends_any_more_goes() -> None:
    rules = [first_rule(f"airflow.{metric}", "gauge") for metric in SENT["gauge"].split()]
    assert {found and found[0]["ttl"] for found in rules} == {"10m"}


@pytest.mark.parametrize("metric", SENT["counter"].split())
def test_a_counter_stays_between_its_events(metric: str) -> None:
    found = first_rule(f"airflow.{metric}", "counter")
    assert not found or "ttl" not in found[0]
