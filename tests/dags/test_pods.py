"""A step's pod, as it is sent to Kubernetes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.kubernetes_schemas import VERSIONS, faults
from tests.charts.pod_security import OURS, RESTRICTED, broken
from tests.dags.conftest import Told

Pod = dict[str, Any]


def pods(told: Told) -> Iterator[tuple[str, Pod]]:
    for dag in told["dags"].values():
        for name, task in dag["tasks"].items():
            yield name, task["pod"]


@pytest.fixture(params=["cluster", "elsewhere"])
def told(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_pod(told: Told, version: str) -> None:
    assert {name: faults(version, pod) for name, pod in pods(told)} == {name: [] for name, _ in pods(told)}


def test_every_pod_is_restricted_and_has_no_rights(told: Told) -> None:
    for name, pod in pods(told):
        assert broken(pod["spec"], RESTRICTED + OURS) == [], name
        assert pod["spec"]["serviceAccountName"] == "films-marquee-pipeline"
        context = pod["spec"]["securityContext"]
        assert [context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")] == [10001] * 3


def test_nothing_runs_beside_the_verb(told: Told) -> None:
    for name, pod in pods(told):
        assert pod["metadata"]["namespace"] == "marquee"
        assert pod["metadata"]["name"].startswith(f"marquee-{name}-")
        (container,) = pod["spec"]["containers"]
        assert not pod["spec"].get("initContainers")
        assert (container["image"], container["imagePullPolicy"]) == ("localhost/marquee:1", "Never")
        assert pod["spec"]["restartPolicy"] == "Never"


def test_a_pod_ends_with_its_task(cluster: Told) -> None:
    for dag in cluster["dags"].values():
        for task in dag["tasks"].values():
            assert task["pod"]["spec"]["activeDeadlineSeconds"] == task["timeout_s"]
            assert task["deferrable"] is True


def test_policies_and_volumes_know_a_pod_by_its_labels(cluster: Told, elsewhere: Told) -> None:
    known = {
        "app.kubernetes.io/name": "marquee",
        "app.kubernetes.io/instance": "films",
        "app.kubernetes.io/component": "pipeline",
    }
    for _, pod in pods(cluster):
        assert pod["metadata"]["labels"].items() >= (known | {"marquee.io/volumes": "films-marquee"}).items()
        (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"] == {"matchLabels": {"marquee.io/volumes": "films-marquee"}}
    for _, pod in pods(elsewhere):
        assert pod["metadata"]["labels"].items() >= known.items()
        assert "marquee.io/volumes" not in pod["metadata"]["labels"]
        assert not pod["spec"]["affinity"]


def test_a_pod_gets_two_keys_of_the_secret_and_those_of_a_bucket(cluster: Told, elsewhere: Told) -> None:
    ours = {
        "PGPASSWORD": ("films-marquee", "PIPELINE_PASSWORD"),
        "TOMBSTONE_KEY": ("films-marquee", "TOMBSTONE_KEY"),
    }
    bucket = {key: ("bucket", key) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    for told, keys in ((cluster, ours), (elsewhere, ours | bucket)):
        for _, pod in pods(told):
            assert secrets(pod) == keys
            (source,) = pod["spec"]["containers"][0]["envFrom"]
            assert source == {"configMapRef": {"name": "films-marquee-pipeline"}}


def secrets(pod: Pod) -> dict[str, tuple[str, str]]:
    found = {}
    for variable in pod["spec"]["containers"][0]["env"]:
        key = variable["valueFrom"]["secretKeyRef"]
        found[variable["name"]] = (key["name"], key["key"])
    return found


def test_a_pod_may_write_where_its_settings_say(cluster: Told, elsewhere: Told) -> None:
    for told, folders in (
        (cluster, {"/tmp", "/var/lib/marquee/data"}),  # noqa: S108 - in the pod
        (elsewhere, {"/tmp"}),  # noqa: S108 - in the pod
    ):
        for _, pod in pods(told):
            mounts = pod["spec"]["containers"][0]["volumeMounts"]
            assert {mount["mountPath"] for mount in mounts if not mount.get("readOnly")} == folders


def test_the_authority_of_the_database_is_there_to_be_read(elsewhere: Told) -> None:
    for _, pod in pods(elsewhere):
        volume = pod["spec"]["volumes"][-1]
        assert volume["secret"] == {
            "secretName": "authority",
            "items": [{"key": "ca.crt", "path": "ca.crt"}],
        }
        mount = pod["spec"]["containers"][0]["volumeMounts"][-1]
        assert mount == {"name": "authority", "mountPath": "/etc/marquee/authority", "readOnly": True}


def test_a_verb_gets_the_size_that_is_set_for_it(cluster: Told) -> None:
    sizes = {name: size(pod) for name, pod in pods(cluster)}
    assert sizes.pop("train") == ("4", "8", "16Gi", "16Gi", "20Gi")
    assert set(sizes.values()) == {("250m", "2", "2Gi", "2Gi", "2Gi")}


def size(pod: Pod) -> tuple[str, ...]:
    resources = pod["spec"]["containers"][0]["resources"]
    asked, most = resources["requests"], resources["limits"]
    tmp = pod["spec"]["volumes"][0]["emptyDir"]["sizeLimit"]
    return asked["cpu"], most["cpu"], asked["memory"], most["memory"], tmp
