"""`helm lint --strict` finds nothing, with any set of values and any Kubernetes that is promised."""

import shutil
from pathlib import Path

import helm_python
import pytest

from tests.charts.kubernetes_schemas import VERSIONS
from tests.charts.rendering import CHART, load, values, values_files


def lint(chart: Path, given: dict[str, object], version: str) -> list[str]:
    report = helm_python.lint(chart, given, strict=True, namespace="marquee", kube_version=f"v{version}.0")
    told = [f"{one['path']}: {one['error']}" for one in report["messages"] if one["severity"] > 1]
    return [*told, *report["errors"]]


def test_the_three_sets_of_values_are_there() -> None:
    assert {"default", "minimal", "full"} <= set(values_files())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", sorted(values_files()))
def test_lint_finds_nothing(case: str, version: str) -> None:
    assert lint(CHART, values(case), version) == []


def test_a_bad_template_is_found(tmp_path: Path) -> None:
    broken = shutil.copytree(CHART, tmp_path / "marquee")
    (broken / "templates" / "bad.yaml").write_text("kind: {{ .Values.nobody.knows }}\n")
    assert any("bad.yaml" in one for one in lint(broken, {}, "1.37"))


def test_the_oldest_kubernetes_that_is_let_in_is_the_oldest_that_is_checked() -> None:
    assert load().metadata["kubeVersion"] == f">={VERSIONS[0]}.0-0"


def test_the_charts_version_is_the_projects() -> None:
    """A release of the project is a release of the chart: the tag of the images follows."""
    project = (CHART.parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{load().metadata["appVersion"]}"\n' in project
