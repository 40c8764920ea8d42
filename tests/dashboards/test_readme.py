"""The page of alerts has each of them, as bad as it is, with the way to its runbook."""

import re
from collections import defaultdict

from dashboards.boards import BOARDS
from tests.dashboards.rules import FOLDER, alerts, records

PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| ([a-z ]+) \| ([^|]+) \| `(\w+)` \|$", re.MULTILINE)


def test_every_alert_has_a_row_with_its_severity_and_file() -> None:
    severities = defaultdict(set)
    for alert in alerts():
        severities[alert.name, alert.file.stem].add(alert.said["labels"]["severity"])
    rows = {(name, file): set(severity.split(" or ")) for name, _, severity, _, file in ROW.findall(PAGE)}
    assert rows == severities


def test_a_row_leads_to_the_runbook_of_its_alert_and_says_when() -> None:
    said = [when for name, runbook, _, when, _ in ROW.findall(PAGE) if name == runbook]
    assert len(said) == len(ROW.findall(PAGE)) == len(set(said))


def test_every_board_has_a_row() -> None:
    table = PAGE.split("## Boards")[1].split("## ")[0]
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE)[1:] == [board.title for board in BOARDS]


def test_recordings_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`(marquee:[\w:]+)`", PAGE))
    assert named
    assert named <= {rule.name for rule in records()}


def test_windows_that_the_page_names_are_recorded() -> None:
    (named,) = re.findall(r"over (5m, [\w, ]+ and 3d)", PAGE)
    for kind in ("requests:errors", "latency:slow"):
        recorded = {rule.name.rpartition("_")[2] for rule in records() if f"{kind}_ratio_" in rule.name}
        assert set(re.split(r", | and ", named)) == recorded
