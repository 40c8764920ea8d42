"""The chart as it will be: with rules and a dashboard."""

import json
import shutil
from pathlib import Path

import pytest

from tests.charts.rendering import CHART

RULES = """\
groups:
  - name: example
    rules:
      - alert: NobodyAnswers
        expr: sum(up{job="marquee-api"}) == 0
        for: 5m
        labels: {severity: page}
        annotations:
          summary: "{{ $value }} of {{ $labels.job }} answer"
"""
PANELS = {"uid": "example", "title": "Example {{ of }} braces", "panels": []}


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with a file of rules and a dashboard more."""
    chart = shutil.copytree(CHART, tmp_path_factory.mktemp("filled") / "marquee")
    folder = chart / "dashboards" / "rules"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "example.yaml").write_text(RULES)
    (chart / "dashboards" / "example.json").write_text(json.dumps(PANELS))
    return chart
