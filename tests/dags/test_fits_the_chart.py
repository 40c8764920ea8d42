"""The settings that k8s/airflow.yaml gives to the DAGs, and what the chart makes with k8s/marquee.yaml."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from recommender.local.places import PROJECT
from tests.charts.admission import refused
from tests.charts.rendering import Object, Release, documents, merged, render
from tests.dags.conftest import Told
from tests.dags.test_pods import pods

K8S = PROJECT / "k8s"
READ_BY_THE_DAGS = {file.name: file.read_text() for file in (PROJECT / "dags").glob("*.py")}


def values(name: str) -> Any:
    (document,) = documents((K8S / name).read_text())
    return document


def environment() -> dict[str, str]:
    """As the chart of Airflow makes it; only the image is a template."""
    text = values("airflow.yaml")["extraEnv"]
    for template in ("repository", "tag", "pullPolicy"):
        text = text.replace("{{ .Values.images.pod_template." + template + " }}", template)
    return {variable["name"]: variable["value"] for variable in yaml.safe_load(text)}


@pytest.fixture(scope="module")
def told(ask: Callable[[dict[str, str]], Told]) -> Told:
    return ask(environment() | {"KUBECONFIG": ""})


@pytest.fixture(scope="module")
def pod(told: Told) -> Object:
    """They are alike in all that is looked at here."""
    pod: Object = told["dags"]["train-model"]["tasks"]["train"]["pod"]
    return pod


@pytest.fixture(scope="module")
def chart() -> Release:
    return render(values("marquee.yaml"))


def test_the_dags_read_every_setting_and_it_is_written_down() -> None:
    readme = (PROJECT / "dags" / "README.md").read_text()
    for name in environment():
        assert any(f'"{name}"' in text for text in READ_BY_THE_DAGS.values()), name
        assert f"`{name}`" in readme, name


def test_airflow_asks_the_cluster_that_it_runs_in(told: Told) -> None:
    for dag in told["dags"].values():
        assert all(task["in_cluster"] is True for task in dag["tasks"].values())


def test_a_pod_runs_the_image_that_is_set(pod: Object) -> None:
    container = pod["spec"]["containers"][0]
    assert (container["image"], container["imagePullPolicy"]) == ("repository:tag", "pullPolicy")


def test_what_a_pod_names_is_there(pod: Object, chart: Release) -> None:
    container = pod["spec"]["containers"][0]
    assert chart.one("ServiceAccount", pod["spec"]["serviceAccountName"])
    assert chart.one("ConfigMap", container["envFrom"][0]["configMapRef"]["name"])
    secret = chart.one("Secret", "marquee")
    for variable in container["env"]:
        key = variable["valueFrom"]["secretKeyRef"]
        assert key["name"] == "marquee"
        assert key["key"] in secret["data"] | secret.get("stringData", {})


def test_days_and_models_are_where_the_settings_say(pod: Object, chart: Release) -> None:
    settings = chart.one("ConfigMap", "marquee-pipeline")["data"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    claims = {
        mounts[volume["name"]]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert set(claims) == {settings["DATA_URL"], settings["MODELS_URL"]}
    for claim in claims.values():
        assert chart.one("PersistentVolumeClaim", claim)


def test_a_pod_goes_where_the_api_and_its_volumes_are(pod: Object, chart: Release) -> None:
    (api,) = chart.of("api")
    assert pod["metadata"]["labels"]["marquee.io/volumes"] == api.labels["marquee.io/volumes"]
    assert pod["spec"]["affinity"]["podAffinity"] == api.spec["affinity"]["podAffinity"]


def test_the_policy_of_the_pipeline_holds_for_a_pod(pod: Object, chart: Release) -> None:
    policies = chart.all("NetworkPolicy")
    leaving = [policy for policy in policies if policy["spec"].get("egress") and holds(policy, pod)]
    ports = {
        port["port"] for policy in leaving for rule in policy["spec"]["egress"] for port in rule["ports"]
    }
    assert {53, 5432} <= ports


def holds(policy: Object, pod: Object) -> bool:
    selector, labels = policy["spec"]["podSelector"], pod["metadata"]["labels"]
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(term["key"]) in term["values"] for term in selector.get("matchExpressions", ())
    )


def test_the_admission_policy_lets_every_pod_in(told: Told) -> None:
    release = render(merged(values("marquee.yaml"), {"image": {"repository": "repository"}}))
    assert {name: refused(release, pod) for name, pod in pods(told)} == {name: {} for name, _ in pods(told)}


def test_the_admission_policy_lets_them_in_with_a_bucket_and_an_authority(elsewhere: Told) -> None:
    external = {
        "enabled": True,
        "host": "db.example.com",
        "maxConnections": 200,
        "sslRootCert": {"name": "authority", "kind": "Secret"},
    }
    release = render(
        {
            "airflow": {"enabled": True, "admissionPolicy": True},
            "existingSecret": "films-marquee",
            "database": {"external": external},
            "objectStorage": {
                "data": "s3://a-films",
                "models": "s3://b-films",
                "credentialsSecret": "bucket",
            },
        },
        name="films",
    )
    for name, pod in pods(elsewhere):
        assert refused(release, pod) == {}, name


def test_airflow_may_start_pods_by_the_accounts_of_its_chart(chart: Release) -> None:
    subjects = chart.one("RoleBinding", "marquee-airflow")["subjects"]
    assert {(subject["namespace"], subject["name"]) for subject in subjects} == {
        ("airflow", "airflow-scheduler"),
        ("airflow", "airflow-triggerer"),
    }


def test_the_pods_of_the_dags_are_where_the_role_is(pod: Object, chart: Release) -> None:
    assert pod["metadata"]["namespace"] == chart.one("Role", "marquee-airflow")["metadata"]["namespace"]
