"""The values in the charts of others. MARQUEE_CHARTS names a folder with NAME-VERSION.tgz of both, as for
./setup.sh cluster --charts."""

import os
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.charts.kubernetes_schemas import VERSIONS, faults
from tests.charts.pod_security import RESTRICTED, broken, containers, resources
from tests.charts.rendering import Object, Pod, Release, documents, load, merged, title
from tests.k8s.test_values import values, versions

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

CHARTS = {"airflow": ("airflow", "AIRFLOW"), "monitoring": ("kube-prometheus-stack", "MONITORING")}
IMAGES = {"images": {name: {"tag": "1.2.3"} for name in ("airflow", "pod_template")}}
BY_SETUP = {"airflow": IMAGES, "monitoring": {}}
# What the chart must be told, although it renders the same without.
SAME_WITHOUT = {"airflow": {"airflowVersion", "postgresql.enabled"}, "monitoring": set[str]()}


def chart(release: str) -> Path:
    name, variable = CHARTS[release]
    file = f"{name}-{versions()[f'{variable}_CHART_VERSION']}.tgz"
    folder = os.environ.get("MARQUEE_CHARTS")
    if not folder or not (Path(folder) / file).exists():
        pytest.skip(f"There is no {file} in MARQUEE_CHARTS ({folder or 'not set'}).")
    return Path(folder) / file


def said(value: Any) -> Any:
    """Without what is null: Kubernetes takes it as not said."""
    if isinstance(value, list):
        return [said(below) for below in value]
    if isinstance(value, dict):
        return {key: said(below) for key, below in value.items() if below is not None}
    return value


class Rendered(Release):
    @cached_property
    def objects(self) -> list[Object]:
        things = [said(thing) for text in self.manifests.values() for thing in documents(text)]
        lists = [thing for thing in things if thing["kind"] == "List"]
        single = [thing for thing in things if thing["kind"] != "List"]
        return [*single, *(item for one in lists for item in one["items"])]

    @property
    def manifests(self) -> dict[str, str]:
        return {name: text for name, text in self.files.items() if not name.endswith(".txt")}


def rendered(release: str, given: Mapping[str, Any]) -> Rendered:
    layers = merged(given, BY_SETUP[release])
    return Rendered(load(chart(release)).render(layers, name=release, namespace=release))


@pytest.fixture(scope="module")
def airflow() -> Release:
    return rendered("airflow", values("airflow"))


@pytest.fixture(scope="module")
def monitoring() -> Release:
    return rendered("monitoring", values("monitoring"))


def leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, below in value.items():
        if isinstance(below, dict) and below:
            yield from leaves(below, (*path, key))
        else:
            yield (*path, key)


def without(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    result = here = deepcopy(value)
    for key in path[:-1]:
        here = here[key]
    del here[path[-1]]
    return result


@pytest.mark.parametrize("release", sorted(CHARTS))
def test_every_value_changes_something(release: str) -> None:
    given = values(release)
    whole = rendered(release, given).manifests
    idle = {
        ".".join(path)
        for path in leaves(given)
        if path[-1] != "type"  # the schema wants it
        and rendered(release, without(given, path)).manifests == whole
    }
    assert idle == SAME_WITHOUT[release]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("release", sorted(CHARTS))
def test_kubernetes_takes_what_the_chart_makes(release: str, version: str) -> None:
    things = rendered(release, values(release)).objects
    known = [thing for thing in things if not thing["apiVersion"].startswith("monitoring.coreos.com/")]
    assert {title(thing): found for thing in known if (found := faults(version, thing))} == {}


def all_pods(release: Release) -> list[Pod]:
    found = [pod for pod in release.pods if "spec" in pod.owner]
    assert found
    return found


def test_the_pods_of_airflow_are_restricted_and_have_sizes(airflow: Release) -> None:
    for pod in all_pods(airflow):
        assert broken(pod.spec, (*RESTRICTED, resources)) == [], pod


def test_airflow_has_no_right_and_two_tokens(airflow: Release) -> None:
    assert not any("Role" in thing["kind"] for thing in airflow.objects)
    tokens = {
        account["metadata"]["name"]
        for account in airflow.all("ServiceAccount")
        if account.get("automountServiceAccountToken") is not False
    }
    assert tokens == {"airflow-scheduler", "airflow-triggerer"}


def test_airflow_takes_its_secrets_from_three(airflow: Release) -> None:
    assert airflow.all("Secret") == []
    found = {
        (key["name"], key["key"])
        for pod in all_pods(airflow)
        for container in containers(pod.spec)
        for variable in container.get("env", ())
        if (key := variable.get("valueFrom", {}).get("secretKeyRef"))
    }
    assert found == {
        ("airflow-metadata", "connection"),
        *(("airflow-keys", key) for key in ("fernet-key", "api-secret-key", "jwt-secret")),
        ("airflow-admin", "password"),
    }


def test_the_jobs_of_airflow_are_no_hooks_and_stay(airflow: Release) -> None:
    jobs = airflow.all("Job")
    assert {job["metadata"]["name"] for job in jobs} == {
        "airflow-run-airflow-migrations",
        "airflow-create-user",
    }
    for job in jobs:
        assert not job["metadata"].get("annotations")
        assert "ttlSecondsAfterFinished" not in job["spec"]


def test_the_dags_know_their_image(airflow: Release) -> None:
    for component in ("scheduler", "dag-processor", "triggerer"):
        (pod,) = (pod for pod in all_pods(airflow) if pod.labels["component"] == component)
        assert {
            "name": "MARQUEE_IMAGE",
            "value": "localhost/marquee:1.2.3",
        } in pod.containers[-2]["env"]


def test_only_the_node_exporter_needs_what_restricted_refuses(monitoring: Release) -> None:
    found = {str(pod) for pod in all_pods(monitoring) if broken(pod.spec, RESTRICTED)}
    assert found == {"DaemonSet/monitoring-prometheus-node-exporter"}


def test_the_pods_of_monitoring_have_sizes(monitoring: Release) -> None:
    for pod in all_pods(monitoring):
        assert broken(pod.spec, (resources,)) == [], pod
    for kind in ("Prometheus", "Alertmanager"):
        (thing,) = monitoring.all(kind)
        assert set(thing["spec"]["resources"]) == {"requests", "limits"}
        assert thing["spec"]["storage"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"]


def test_prometheus_takes_what_any_namespace_declares(monitoring: Release) -> None:
    (prometheus,) = monitoring.all("Prometheus")
    for what in ("serviceMonitor", "podMonitor", "probe", "rule", "scrapeConfig"):
        assert prometheus["spec"][f"{what}Selector"] == prometheus["spec"][f"{what}NamespaceSelector"] == {}


def test_grafana_reads_no_secret_of_others(monitoring: Release) -> None:
    binding = monitoring.one("ClusterRoleBinding", "monitoring-grafana-clusterrolebinding")
    role = monitoring.one("ClusterRole", binding["roleRef"]["name"])
    assert [rule["resources"] for rule in role["rules"]] == [["configmaps"]]
    assert not any("admin-password" in thing.get("data", {}) for thing in monitoring.all("Secret"))


def test_the_metrics_of_airflow_are_read_where_its_chart_has_them(
    airflow: Release, monitoring: Release
) -> None:
    spec = monitoring.one("ServiceMonitor", "airflow")["spec"]
    (service,) = (thing for thing in airflow.all("Service") if selected(spec["selector"], thing))
    assert spec["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    policy = airflow.one("NetworkPolicy", "airflow-statsd-policy")
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}} in policy[
        "spec"
    ]["ingress"][0]["from"]


def selected(selector: Object, thing: Object) -> bool:
    return bool(selector["matchLabels"].items() <= thing["metadata"]["labels"].items())


def test_the_exporter_of_airflow_reads_our_mapping_and_starts_anew_when_it_changes(airflow: Release) -> None:
    given = values("airflow")
    config = airflow.one("ConfigMap", "airflow-statsd")["data"]
    (exporter,) = airflow.one("Deployment", "airflow-statsd")["spec"]["template"]["spec"]["containers"]
    assert exporter["args"][-1] == "--statsd.mapping-config=/etc/statsd-exporter/mappings.yml"
    (read,) = documents(config["mappings.yml"])
    assert read["mappings"] == given["statsd"]["overrideMappings"]
    others = rendered("airflow", without(given, ("statsd", "overrideMappings")))
    assert stamp(others) != stamp(airflow)


def stamp(release: Release) -> str:
    template = release.one("Deployment", "airflow-statsd")["spec"]["template"]
    return str(template["metadata"]["annotations"]["checksum/mappings"])


def test_airflow_has_the_settings_that_its_metrics_want(airflow: Release) -> None:
    written = airflow.one("ConfigMap", "airflow-config")["data"]["airflow.cfg"]
    for key, value in values("airflow")["config"]["metrics"].items():
        assert f"\n{key} = {value}\n" in written
