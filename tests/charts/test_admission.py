"""Whoever takes Airflow over can start pods like the steps of the DAGs, and no others."""

import copy
from typing import Any

import pytest

from tests.charts.admission import SCHEDULER, policy, refused
from tests.charts.rendering import Object, Release, merged, render

HELD: Object = {"airflow": {"enabled": True, "admissionPolicy": True}}
EXTERNAL: Object = merged(
    HELD,
    {
        "existingSecret": "mine",
        "image": {"repository": "registry.example.com:5000/films/marquee"},
        "imagePullSecrets": ["registry"],
        "database": {
            "external": {
                "enabled": True,
                "host": "db.example.com",
                "maxConnections": 200,
                "sslRootCert": {"name": "authority", "kind": "Secret"},
            }
        },
        "objectStorage": {"data": "s3://films/data", "models": "s3://films/models"},
    },
)
KEYS: Object = merged(EXTERNAL, {"objectStorage": {"credentialsSecret": "bucket"}})
AUTHORITY: Object = {"database": {"external": {"sslRootCert": {"kind": "ConfigMap"}}}}
TOKEN = {"path": "token", "expirationSeconds": 86400}


def key(secret: str, name: str) -> Object:
    return {"name": "STOLEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}


def volume(**source: object) -> Object:
    return {"name": "stolen", **source}


def projected(**token: str) -> Object:
    return volume(projected={"sources": [{"serviceAccountToken": TOKEN | token}]})


LABEL = ("metadata", "labels")
NAMED = "app.kubernetes.io/"
FIRST = ("spec", "containers", 0)
BAD: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("spec", "serviceAccountName"), "marquee-api", "must be marquee-pipeline, not marquee-api"),
    (("spec", "serviceAccountName"), None, "must be marquee-pipeline, not empty"),
    (("spec", "automountServiceAccountToken"), True, "automountServiceAccountToken must be false"),
    (("spec", "automountServiceAccountToken"), None, "automountServiceAccountToken must be false"),
    (LABEL, None, "app.kubernetes.io/name: marquee"),
    ((*LABEL, f"{NAMED}name"), "prometheus", "labels must say app.kubernetes.io/name: marquee"),
    ((*LABEL, f"{NAMED}instance"), "films", "labels must say app.kubernetes.io/instance: marquee"),
    ((*LABEL, f"{NAMED}component"), "api", "labels must say app.kubernetes.io/component: pipeline"),
    ((*FIRST, "image"), "docker.io/library/alpine:3", "not docker.io/library/alpine:3"),
    ((*FIRST, "image"), "localhost/marquee-postgres:0.1.0", "not localhost/marquee-postgres:0.1.0"),
    ((*FIRST, "image"), "localhost/marquee/other", "not localhost/marquee/other"),
    ((*FIRST, "image"), "localhost/marquee:5000/other", "not localhost/marquee:5000/other"),
    ((*FIRST, "image"), "example.com/localhost/marquee:0.1.0", "not example.com/localhost/marquee:0.1.0"),
    (("spec", "initContainers"), [{"name": "a", "image": "a:1"}], "value image.repository), not a:1"),
    (("spec", "volumes"), volume(secret={"secretName": "marquee"}), "only; not so: stolen"),
    (("spec", "volumes"), volume(configMap={"name": "marquee-scripts"}), "only; not so: stolen"),
    (
        ("spec", "volumes"),
        volume(persistentVolumeClaim={"claimName": "marquee-backups"}),
        "claim marquee-data",
    ),
    (("spec", "volumes"), volume(hostPath={"path": "/"}), "only; not so: stolen"),
    (("spec", "volumes"), volume(ephemeral={"volumeClaimTemplate": {}}), "only; not so: stolen"),
    (("spec", "volumes"), volume(projected={"sources": [{"secret": {"name": "a"}}]}), "not so: stolen"),
    (("spec", "volumes"), projected(), "only; not so: stolen"),
    (("spec", "volumes"), projected(audience="sts.amazonaws.com"), "only; not so: stolen"),
    ((*FIRST, "env"), key("marquee", "JWT_KEYS"), "TOMBSTONE_KEY only; not so in env STOLEN"),
    ((*FIRST, "env"), key("marquee", "OWNER_PASSWORD"), "not so in env STOLEN"),
    ((*FIRST, "env"), key("grafana", "PIPELINE_PASSWORD"), "not so in env STOLEN"),
    (
        (*FIRST, "env"),
        {"name": "STOLEN", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        "not so in env STOLEN",
    ),
    (
        ("spec", "initContainers"),
        [{"name": "a", "image": "localhost/marquee", "env": [key("marquee", "API_PASSWORD")]}],
        "not so in env STOLEN",
    ),
    ((*FIRST, "envFrom"), {"secretRef": {"name": "marquee"}}, "marquee-pipeline only; not so in container"),
    ((*FIRST, "envFrom"), {"configMapRef": {"name": "marquee-scripts"}}, "not so in container marquee"),
    (("spec", "imagePullSecrets"), [{"name": "marquee"}], "value imagePullSecrets only, not marquee"),
    (("spec", "ephemeralContainers"), [{"name": "a", "image": "a"}], "may be no ephemeralContainers"),
]


def step(release: Release) -> Object:
    """A pod with all that a step of a DAG has; tests/dags asks the same of the real ones."""
    (pod,) = (pod for pod in release.of("pipeline") if str(pod).endswith("-verb"))
    return {"metadata": pod.metadata, "spec": copy.deepcopy(pod.spec)}


def changed(pod: Object, path: tuple[str | int, ...], value: Any) -> Object:
    """None takes something away; a mapping goes into the list that is there."""
    pod = copy.deepcopy(pod)
    *above, last = path
    place: Any = pod
    for one in above:
        place = place[one]
    if value is None:
        del place[last]
    elif isinstance(place, dict) and isinstance(place.get(last), list) and isinstance(value, dict):
        place[last].append(value)
    else:
        place[last] = value
    return pod


@pytest.mark.parametrize("given", [HELD, EXTERNAL, KEYS, merged(KEYS, AUTHORITY)])
def test_a_step_of_a_dag_is_let_in(given: Object) -> None:
    release = render(given)
    assert refused(release, step(release)) == {}


@pytest.mark.parametrize("ending", ["", ":0.1.0", f"@sha256:{'7' * 64}", f":mine_2@sha256:{'7' * 64}"])
def test_any_version_of_the_image_is_let_in(ending: str) -> None:
    release = render(KEYS)
    image = f"registry.example.com:5000/films/marquee{ending}"
    assert refused(release, changed(step(release), (*FIRST, "image"), image)) == {}


@pytest.mark.parametrize(("path", "value", "words"), BAD)
def test_another_pod_is_refused_with_what_is_wrong(
    path: tuple[str | int, ...], value: Any, words: str
) -> None:
    release = render(HELD)
    told = refused(release, changed(step(release), path, value))
    assert [one for one in told.values() if words in one], told
    assert not any("\n" in one for one in told.values()), "Kubernetes would leave such a message out"


def test_each_rule_refuses_something_of_the_above() -> None:
    release = render(HELD)
    rules = {rule["expression"] for rule in policy(release)["spec"]["validations"]}
    pods = (changed(step(release), path, value) for path, value, _ in BAD)
    assert {rule for pod in pods for rule in refused(release, pod)} == rules


@pytest.mark.parametrize("given", [HELD, merged(HELD, {"simulator": {"enabled": True}}), KEYS])
def test_airflow_can_copy_no_other_pod_of_the_chart(given: Object) -> None:
    release = render(given)
    let_in = {
        str(pod) for pod in release.pods if not refused(release, {"metadata": pod.metadata, "spec": pod.spec})
    }
    assert let_in == {"CronJob/marquee-verb"}


@pytest.mark.parametrize(
    ("source", "let_in"),
    [
        ({"secretName": "authority", "items": [{"key": "ca.crt", "path": "ca.crt"}]}, True),
        ({"secretName": "authority", "items": [{"key": "tls.key", "path": "ca.crt"}]}, False),
        ({"secretName": "authority"}, False),
        ({"secretName": "mine", "items": [{"key": "ca.crt", "path": "ca.crt"}]}, False),
    ],
)
def test_of_the_authority_only_its_certificate_is_let_in(source: Object, let_in: bool) -> None:
    release = render(EXTERNAL)
    pod = changed(step(release), ("spec", "volumes"), volume(secret=source))
    assert bool(refused(release, pod)) is not let_in


@pytest.mark.parametrize(
    ("token", "let_in"),
    [
        ({"audience": "sts.amazonaws.com"}, True),
        ({"audience": "https://kubernetes.default.svc"}, False),
        ({}, False),
    ],
)
def test_where_a_cloud_gives_the_pods_a_role_only_its_token_is_let_in(token: Object, let_in: bool) -> None:
    release = render(EXTERNAL)
    pod = changed(step(release), ("spec", "volumes"), projected(**token))
    assert bool(refused(release, pod)) is not let_in


def test_keys_of_buckets_are_let_in_only_for_the_buckets_of_the_steps() -> None:
    backups = merged(
        HELD, {"objectStorage": {"backups": "s3://films/backups", "credentialsSecret": "bucket"}}
    )
    for given, let_in in ((KEYS, True), (backups, False)):
        release = render(given)
        pod = step(render(HELD))
        pod["spec"]["containers"][0]["env"] = [key("bucket", "AWS_SECRET_ACCESS_KEY")]
        told = " ".join(refused(release, pod).values())
        assert ("STOLEN" not in told) is let_in


def test_it_holds_the_accounts_of_airflow_and_nobody_else() -> None:
    release = render(merged(HELD, {"airflow": {"namespace": "flow", "serviceAccounts": ["one", "two"]}}))
    pod = changed(step(release), (*FIRST, "image"), "a:1")
    for name in ("one", "two"):
        assert refused(release, pod, f"system:serviceaccount:flow:{name}")
    for user in (
        "system:serviceaccount:flow:three",
        "system:serviceaccount:kube-system:job-controller",
        SCHEDULER,
    ):
        assert refused(release, pod, user) == {}


def test_it_holds_in_the_namespace_of_the_release_and_fails_closed() -> None:
    release = render(HELD, namespace="films")
    (binding,) = release.all("ValidatingAdmissionPolicyBinding")
    assert binding["spec"] == {
        "policyName": policy(release)["metadata"]["name"],
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "films"}}},
    }
    spec = policy(release)["spec"]
    assert spec["failurePolicy"] == "Fail"
    assert spec["matchConstraints"]["resourceRules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["pods", "pods/ephemeralcontainers"],
        }
    ]


def test_two_releases_do_not_meet() -> None:
    """Names of the whole cluster: also where a namespace and a name run into each other."""
    places = [("marquee", "a"), ("marquee", "b"), ("films", "a"), ("marquee-b", "a"), ("b-marquee", "a")]
    releases = [render(HELD, name=name, namespace=namespace) for name, namespace in places]
    assert len({policy(release)["metadata"]["name"] for release in releases}) == len(places)


@pytest.mark.parametrize("off", [{}, {"enabled": True}, {"admissionPolicy": True}])
def test_without_airflow_or_unasked_nothing_is_made_for_the_whole_cluster(off: Object) -> None:
    kinds = {thing["kind"] for thing in render({"airflow": off}).objects}
    assert not {kind for kind in kinds if kind.startswith(("Validating", "Cluster"))}
