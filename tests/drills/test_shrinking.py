import yaml

from recommender.local.monitoring import RULES
from recommender.local.places import Places
from tests.drills.shrinking import duration, shrunk

RULE = """
groups:
  - name: a
    interval: 1m
    rules:
      - record: a:errors:rate_5m
        expr: sum(rate(errors_total{route="5m", code=~"5.."}[5m] offset 1h30m)) > 14.4 * 0.001
      - alert: A
        expr: max_over_time(a:errors:rate_5m[1d:10m]) > 60 and time() - b > 58 * 3600
        for: 2m
"""


def test_durations_are_divided_and_thresholds_names_and_labels_are_not() -> None:
    (group,) = yaml.safe_load(shrunk(RULE, 60))["groups"]
    record, alert = group["rules"]
    assert group["interval"] == "1000ms"
    assert record["record"] == "a:errors:rate_5m"
    assert record["expr"] == (
        'sum(rate(errors_total{route="5m", code=~"5.."}[5000ms] offset 90000ms)) > 14.4 * 0.001'
    )
    assert alert["expr"] == (
        "max_over_time(a:errors:rate_5m[1440000ms:10000ms]) > 60 and time() - b > 58 * 3600"
    )
    assert alert["for"] == "2000ms"


def test_a_pace_of_one_says_the_same_in_milliseconds() -> None:
    assert [duration(text, 1) for text in ("500ms", "15s", "1h30m", "7d")] == [
        "500ms",
        "15000ms",
        "5400000ms",
        "604800000ms",
    ]


def test_every_alert_of_ours_is_still_there() -> None:
    for name in RULES:
        rules = (Places().rules / f"{name}.yaml").read_text(encoding="utf-8")
        assert alerts(shrunk(rules, 60)) == alerts(rules)


def alerts(rules: str) -> list[tuple[str, str]]:
    groups = yaml.safe_load(rules)["groups"]
    return [
        (rule["alert"], rule["labels"]["severity"]) for g in groups for rule in g["rules"] if "alert" in rule
    ]
