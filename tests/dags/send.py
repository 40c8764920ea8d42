"""Sends one event of each metric, as Airflow does. There: python send.py METRICS_AND_TAGS

It prints the metrics that Airflow does not declare."""

import json
import sys

from airflow._shared.observability.metrics import stats
from airflow._shared.observability.metrics.metrics_registry import MetricsRegistry
from airflow.configuration import conf
from airflow.observability.metrics.stats_utils import get_stats_factory

METRICS, TAGS = json.loads(sys.argv[1])


def main() -> None:
    stats.initialize(
        factory=get_stats_factory(), export_legacy_names=conf.getboolean("metrics", "legacy_names_on")
    )
    for metric, kind in METRICS:
        if kind == "counter":
            stats.incr(metric, tags=TAGS)
        elif kind == "gauge":
            stats.gauge(metric, 1, tags=TAGS)
        else:
            stats.timing(metric, 1500.0, tags=TAGS)
    declared = MetricsRegistry()
    sys.stdout.write("\n" + json.dumps([metric for metric, _ in METRICS if not declared.get(name=metric)]))


if __name__ == "__main__":
    main()
