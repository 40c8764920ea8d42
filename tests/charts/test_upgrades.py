"""An upgrade changes what it must and nothing that Kubernetes refuses."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.charts.rendering import CHART, Object, Release, render, title, values, values_files

CHANGES: list[Object] = [
    {"image": {"tag": "0.2.0"}},
    {"api": {"replicas": 3, "podAnnotations": {"a": "b"}, "drainSeconds": 20}},
    {"api": {"autoscaling": {"enabled": True, "maxReplicas": 3}}},
    {"postgres": {"image": {"tag": "0.9.0-pg18"}, "maxConnections": 300, "podAnnotations": {"a": "b"}}},
    {"postgres": {"resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "2Gi"}}}},
    {"airflow": {"enabled": True}, "monitoring": {"enabled": True}, "simulator": {"enabled": True}},
    {"networkPolicy": {"enabled": False}, "bootstrap": {"enabled": False}},
]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart a release later."""
    chart = shutil.copytree(CHART, tmp_path_factory.mktemp("later") / "marquee")
    about = (chart / "Chart.yaml").read_text()
    about, times = re.subn(r'^(version|appVersion): "?[\d.]+"?$', r'\1: "9.9.9"', about, flags=re.MULTILINE)
    assert times == 2
    (chart / "Chart.yaml").write_text(about)
    return chart


def fixed(thing: Object) -> object:
    """The parts of an object that Kubernetes lets nobody change."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Deployment":
        return spec["selector"]
    if thing["kind"] == "StatefulSet":
        changing = (
            "replicas",
            "template",
            "updateStrategy",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        )
        rest = {
            key: value
            for key, value in spec.items()
            if key not in (*changing, "revisionHistoryLimit", "ordinals")
        }
        return json.dumps(rest, sort_keys=True)
    if thing["kind"] == "Job":
        return spec["template"]
    if thing["kind"] == "PersistentVolumeClaim":
        return {key: value for key, value in spec.items() if key != "resources"}
    if thing["kind"] == "RoleBinding":
        return thing["roleRef"]
    if thing["kind"] == "Service":
        return spec.get("clusterIP")
    return None


def refused(old: Release, new: Release) -> list[str]:
    before = {title(thing): fixed(thing) for thing in old.objects}
    return [title(thing) for thing in new.objects if before.get(title(thing), fixed(thing)) != fixed(thing)]


@pytest.mark.parametrize("case", sorted(values_files()))
def test_a_later_version_changes_nothing_that_is_fixed(case: str, later: Path) -> None:
    assert refused(render(values(case)), render(values(case), revision=2, chart=later)) == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: " ".join(change))
def test_other_values_change_nothing_that_is_fixed(change: Object) -> None:
    assert refused(render(), render(change, revision=2)) == []


def test_what_kubernetes_would_refuse_is_seen() -> None:
    assert refused(render(), render({"image": {"tag": "2"}})) == ["Job/marquee-setup-1"]
    assert refused(render(), render({"postgres": {"size": "30Gi"}}, revision=2)) == [
        "StatefulSet/marquee-postgres"
    ]
    other = render({"persistence": {"storageClass": "fast"}}, revision=2)
    assert "PersistentVolumeClaim/marquee-data" in refused(render(), other)


def test_what_cannot_be_changed_is_replaced_where_every_revision_is_the_first() -> None:
    """Argo CD renders each version as a first install."""
    old, new = render(), render({"image": {"tag": "2"}})
    options = {
        title(thing): thing["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options")
        for thing in new.objects
    }
    assert [name for name in refused(old, new) if options[name] != "Force=true,Replace=true"] == []
    assert [name for name, said in options.items() if said and not name.startswith("Job/")] == []


def selectors(thing: Object) -> list[Object]:
    """Every mapping below a key that selects pods."""
    text = json.dumps(thing.get("spec", {}))
    pattern = r'"(?:matchLabels|selector|podSelector)": (\{[^{}]*\})'
    return [json.loads(found) for found in re.findall(pattern, text)]


@pytest.mark.parametrize("case", sorted(values_files()))
def test_selectors_carry_no_version(case: str) -> None:
    found = [one for thing in render(values(case)).objects for one in selectors(thing)]
    assert found
    assert {key for one in found for key in one} & {"app.kubernetes.io/version", "helm.sh/chart"} == set()


def test_a_later_version_restarts_the_api_and_not_the_database(later: Path) -> None:
    assert rolled(render(), render(revision=2, chart=later)) == {"Deployment/marquee-api"}


def templates(release: Release) -> dict[str, str]:
    kinds = ("Deployment", "StatefulSet")
    found = [thing for thing in release.objects if thing["kind"] in kinds]
    return {title(thing): json.dumps(thing["spec"]["template"], sort_keys=True) for thing in found}


def rolled(old: Release, new: Release) -> set[str]:
    """The workloads whose pods are replaced."""
    before, after = templates(old), templates(new)
    return {name for name in before if after[name] != before[name]}


API, POSTGRES = {"Deployment/marquee-api"}, {"StatefulSet/marquee-postgres"}


@pytest.mark.parametrize(
    ("change", "workloads"),
    [
        ({}, set()),
        ({"api": {"tokenMinutes": 30}}, API),
        ({"api": {"clientRate": 100}}, API),
        ({"api": {"registration": "open"}}, API),
        ({"api": {"jwtKeyIds": ["k1", "k2"]}}, API),
        ({"secretRevision": "2"}, API),
        ({"existingSecret": "mine"}, API | POSTGRES),
        ({"image": {"tag": "0.2.0"}}, API),
        ({"api": {"replicas": 3}}, set()),
        ({"postgres": {"maxConnections": 300}}, POSTGRES),
        ({"postgres": {"settings": {"work_mem": "8MB"}}}, POSTGRES),
        ({"postgres": {"image": {"tag": "0.9.0-pg18"}}}, POSTGRES),
        ({"backup": {"keep": 7}}, set()),
        ({"pipeline": {"rejectLimit": 0.1}}, set()),
        ({"airflow": {"enabled": True}}, set()),
        ({"monitoring": {"enabled": True}}, set()),
        ({"networkPolicy": {"enabled": False}}, set()),
        ({"simulator": {"enabled": True}}, set()),
    ],
)
def test_a_change_rolls_the_workloads_that_read_it_and_no_other(change: Object, workloads: set[str]) -> None:
    assert rolled(render(), render(change, revision=2)) == workloads


def test_while_it_scales_itself_an_upgrade_sets_no_number_of_pods() -> None:
    scaled = {"api": {"autoscaling": {"enabled": True, "maxReplicas": 3}}}
    assert render().one("Deployment", "marquee-api")["spec"]["replicas"] == 2
    assert "replicas" not in render(scaled).one("Deployment", "marquee-api")["spec"]


def test_an_upgrade_never_has_fewer_pods_than_before() -> None:
    strategy = render().one("Deployment", "marquee-api")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_an_upgrade_has_not_failed_while_the_schema_may_still_be_migrated() -> None:
    for seconds in (60, 86400):
        release = render({"setup": {"deadlineSeconds": seconds}})
        longest = release.one("Job", "marquee-setup-1")["spec"]["activeDeadlineSeconds"]
        assert release.one("Deployment", "marquee-api")["spec"]["progressDeadlineSeconds"] > longest


def test_a_pod_has_longer_to_end_than_it_drains() -> None:
    for drain in (0, 10, 60):
        pod = render({"api": {"drainSeconds": drain}}).of("api")[0]
        assert pod.spec["terminationGracePeriodSeconds"] >= drain + 20


def test_what_holds_data_stays_when_the_release_goes() -> None:
    release = render()
    for thing in [*release.all("PersistentVolumeClaim"), release.one("Secret", "marquee")]:
        assert thing["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", title(thing)
    kept = release.one("StatefulSet", "marquee-postgres")["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert kept == {"whenDeleted": "Retain", "whenScaled": "Retain"}
