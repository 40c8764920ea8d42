"""Prometheus' own tool reads the rules, and sees each alert fire and stay silent."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dashboards.rules import CASES, FILES

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="wants promtool (apt-get install prometheus)")


def told(*words: str | Path, folder: Path | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [str(PROMTOOL), *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_prometheus_reads_every_rule() -> None:
    status, said = told("check", "rules", *FILES)
    assert status == 0, said
    assert said.count("SUCCESS") == len(FILES)


def test_every_alert_fires_and_stays_silent_where_its_cases_say_so() -> None:
    status, said = told("test", "rules", *CASES)
    assert status == 0, said
    assert said.count("SUCCESS") == len(CASES)


def test_a_case_that_is_wrong_is_seen(tmp_path: Path) -> None:
    (rules,) = (file for file in FILES if file.stem == "model")
    case = tmp_path / "wrong.yaml"
    case.write_text(
        f"""
rule_files: [{rules}]
tests:
  - interval: 1m
    input_series: [{{series: 'marquee_gate_refusals_in_a_row', values: 2x20}}]
    alert_rule_test: [{{alertname: MarqueeGateRefusedTwice, eval_time: 15m, exp_alerts: []}}]
"""
    )
    status, said = told("test", "rules", case)
    assert status == 1
    assert "MarqueeGateRefusedTwice" in said
