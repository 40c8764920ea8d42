"""A short run of each; longer ones: python -m tests.chaos.run and python -m tests.chaos.soak."""

from pathlib import Path

import pytest

from tests.api.throughput import running
from tests.chaos.run import chaos
from tests.chaos.soak import soak, told

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def test_nothing_acknowledged_is_lost_when_processes_the_database_and_disks_fail() -> None:
    verdict = chaos(80, seed=1)
    assert verdict.good, verdict.text()
    assert verdict.counts["ratings acknowledged"] > 1000
    assert len(verdict.faults) >= 5


def test_a_minute_of_traffic_leaves_no_connection_and_no_descriptor_behind(tmp_path: Path) -> None:
    with running(tmp_path, 1_000, 2) as api:
        report = soak(api.services, 60, 30, seed=7)
    assert not report["errors"], told(report)
    assert report["held"], told(report)
