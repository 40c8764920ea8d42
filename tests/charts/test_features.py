"""A feature that is off leaves none of its objects; one that is on has the names that others rely on."""

import pytest

from tests.charts.rendering import Object, Pod, Release, merged, render, values

EXTERNAL: Object = {
    "database": {"external": {"enabled": True, "host": "db.example.com"}},
    "existingSecret": "marquee-secrets",
}
BUCKETS: Object = {
    "objectStorage": {
        "data": "s3://films/data",
        "models": "s3://films/models",
        "backups": "s3://films/backups",
    }
}
BACKUPS = {
    "ConfigMap/marquee-scripts",
    "CronJob/marquee-backup",
    "CronJob/marquee-restore",
    "PersistentVolumeClaim/marquee-backups",
    "ServiceAccount/marquee-backup",
}
SCALED: Object = {"api": {"autoscaling": {"enabled": True, "maxReplicas": 3}}}
OF_A_FEATURE: list[tuple[Object, Object, set[str]]] = [
    ({"ingress": {"enabled": True, "hosts": ["a.example.com"]}}, {}, {"Ingress/marquee-api"}),
    (SCALED, {}, {"HorizontalPodAutoscaler/marquee-api"}),
    ({}, {"api": {"podDisruptionBudget": {"enabled": False}}}, {"PodDisruptionBudget/marquee-api"}),
    ({}, {"api": {"replicas": 1}}, {"PodDisruptionBudget/marquee-api"}),
    ({}, {"api": {"registration": "closed"}}, {"Pod/marquee-test"}),
    ({}, {"existingSecret": "mine"}, {"Secret/marquee"}),
    ({}, {"backup": {"enabled": False}}, BACKUPS),
    ({"airflow": {"enabled": True}}, {}, {"Role/marquee-airflow", "RoleBinding/marquee-airflow"}),
    (
        {"airflow": {"enabled": True, "admissionPolicy": True}},
        {"airflow": {"enabled": True}},
        {f"ValidatingAdmissionPolicy{kind}/marquee-airflow.marquee" for kind in ("", "Binding")},
    ),
    ({"simulator": {"enabled": True}}, {}, {"CronJob/marquee-simulator"}),
    ({"monitoring": {"enabled": True}}, {}, {"ServiceMonitor/marquee-api"}),
]


@pytest.mark.parametrize(("on", "off", "objects"), OF_A_FEATURE)
def test_switched_off_it_leaves_none_of_its_objects(on: Object, off: Object, objects: set[str]) -> None:
    """And takes nobody else's with it."""
    assert of_the_release(on) - of_the_release(off) == objects
    assert of_the_release(off) - of_the_release(on) == set()


def of_the_release(given: Object) -> set[str]:
    """Policies, rules and dashboards are looked at by tests of their own."""
    others = ("NetworkPolicy/", "PrometheusRule/", "ConfigMap/marquee-dashboard-")
    return {one for one in render(given).titles if not one.startswith(others)}


@pytest.mark.parametrize("store", ["data", "models", "backups"])
def test_a_bucket_takes_the_place_of_a_volume(store: str) -> None:
    volume, bucket = of_the_release({}), of_the_release({"objectStorage": {store: f"s3://films/{store}"}})
    assert (volume - bucket, bucket - volume) == ({f"PersistentVolumeClaim/marquee-{store}"}, set())


def test_with_monitoring_off_the_cluster_needs_none_of_its_resources() -> None:
    gone = render({"monitoring": {"enabled": True}}).titles - render().titles
    assert "ServiceMonitor/marquee-api" in gone
    assert {thing["apiVersion"] for thing in render().objects}.isdisjoint({"monitoring.coreos.com/v1"})
    assert not [
        thing for thing in render().objects if "grafana_dashboard" in thing["metadata"].get("labels", {})
    ]


def test_without_policies_there_is_none() -> None:
    assert render().all("NetworkPolicy")
    assert render({"networkPolicy": {"enabled": False}}).all("NetworkPolicy") == []


def test_an_external_database_leaves_nothing_of_the_built_in_one() -> None:
    built_in, external = render(), render(EXTERNAL)
    assert external.all("StatefulSet") == external.all("Secret") == []
    gone = built_in.titles - external.titles
    assert {"Service/marquee-postgres", "CronJob/marquee-backup", "CronJob/marquee-restore"} <= gone
    assert {"postgres", "backup", "restore"}.isdisjoint(pod.component for pod in external.pods)
    assert external.titles <= built_in.titles


def containers(release: Release, component: str) -> list[str]:
    return [container["name"] for pod in release.of(component) for container in pod.containers]


def test_the_set_up_makes_roles_where_there_is_an_administrator() -> None:
    with_admin = merged(EXTERNAL, {"database": {"external": {"admin": {"enabled": True}}}})
    assert containers(render(), "setup") == ["roles", "migrate", "catalogue"]
    assert containers(render(with_admin), "setup") == ["roles", "migrate", "catalogue"]
    assert containers(render(EXTERNAL), "setup") == ["migrate", "catalogue"]


def test_without_the_starter_catalogue_the_set_up_ends_with_the_migration() -> None:
    release = render({"bootstrap": {"enabled": False}})
    assert containers(release, "setup") == ["roles", "migrate"]
    assert [one["name"] for one in release.of("setup")[0].spec["containers"]] == ["migrate"]


def test_the_set_up_runs_anew_at_each_revision() -> None:
    assert "Job/marquee-setup-1" in render().titles
    later = render(revision=7).titles
    assert "Job/marquee-setup-7" in later
    assert "Job/marquee-setup-1" not in later


def test_roles_of_others_get_a_password_only_where_they_are_used() -> None:
    """A role whose password is not set gets no login, or is not made."""

    def named(given: Object) -> set[str]:
        environment = render(given).of("setup")[0].containers[0]["env"]
        return {one["name"] for one in environment} & {"BACKUP_PASSWORD", "AIRFLOW_PASSWORD"}

    assert named({}) == {"BACKUP_PASSWORD"}
    assert named({"backup": {"enabled": False}}) == set()
    assert named({"airflow": {"enabled": True}}) == {"BACKUP_PASSWORD", "AIRFLOW_PASSWORD"}


def test_the_dags_find_what_they_name() -> None:
    """The names stand in dags/ and in the values of Airflow's chart."""
    release = render(values("full"))
    wanted = {
        "ConfigMap/marquee-pipeline",
        "ServiceAccount/marquee-pipeline",
        "Role/marquee-airflow",
        "Service/marquee-api",
    }
    assert wanted <= release.titles
    there = render({"airflow": {"enabled": True}})
    files = {"PersistentVolumeClaim/marquee-data", "PersistentVolumeClaim/marquee-models", "Secret/marquee"}
    assert wanted | files | {"Service/marquee-postgres"} <= there.titles
    assert {"DATABASE_URL", "DATA_URL", "MODELS_URL", "REJECT_LIMIT", "LEARN_USERS"} <= set(
        there.one("ConfigMap", "marquee-pipeline")["data"]
    )


def claims(pod: Pod) -> dict[str, str]:
    """The claim that each volume of a pod is."""
    volumes = [one for one in pod.spec.get("volumes", ()) if "persistentVolumeClaim" in one]
    return {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in volumes}


def mounts(pod: Pod) -> list[Object]:
    return [mount for container in pod.containers for mount in container.get("volumeMounts", ())]


def test_the_api_only_reads_models() -> None:
    pod = render().of("api")[0]
    assert list(claims(pod).values()) == ["marquee-models"]
    assert [mount["readOnly"] for mount in mounts(pod) if mount["name"] in claims(pod)] == [True]
    assert claims(render(BUCKETS).of("api")[0]) == {}


def test_what_is_mounted_is_a_volume_of_the_pod() -> None:
    for case in ("default", "minimal", "full"):
        release = render(values(case))
        templates = {
            one["metadata"]["name"]
            for thing in release.all("StatefulSet")
            for one in thing["spec"]["volumeClaimTemplates"]
        }
        for pod in release.pods:
            there = {one["name"] for one in pod.spec.get("volumes", ())} | templates
            assert {mount["name"] for mount in mounts(pod)} <= there, str(pod)
        made = {one["metadata"]["name"] for one in release.all("PersistentVolumeClaim")}
        assert {claim for pod in release.pods for claim in claims(pod).values()} == made


ONE_NODE = [
    {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"marquee.io/volumes": "marquee"}},
    }
]


@pytest.mark.parametrize("given", [{}, BUCKETS, {"persistence": {"accessMode": "ReadWriteMany"}}])
def test_pods_that_share_a_volume_of_one_node_go_to_one_node(given: Object) -> None:
    release = render(merged(given, {"simulator": {"enabled": "objectStorage" not in given}}))
    made = release.all("PersistentVolumeClaim")
    tying = {one["metadata"]["name"] for one in made if one["spec"]["accessModes"] == ["ReadWriteOnce"]}
    for pod in release.pods:
        tied = bool(tying & set(claims(pod).values()))
        affinity = pod.spec.get("affinity", {}).get("podAffinity", {})
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        assert required == (ONE_NODE if tied else []), str(pod)
        assert ("marquee.io/volumes" in pod.labels) is tied, str(pod)


@pytest.mark.parametrize(
    ("release", "fullname"),
    [("marquee", "marquee"), ("marquee-staging", "marquee-staging"), ("films", "films-marquee")],
)
def test_names_follow_the_release(release: str, fullname: str) -> None:
    rendered = render(name=release, namespace="here")
    names = {thing["metadata"]["name"] for thing in rendered.objects}
    assert [name for name in names if name != fullname and not name.startswith(f"{fullname}-")] == []
    assert {thing["metadata"]["namespace"] for thing in rendered.objects} == {"here"}


def test_no_name_is_too_long_for_the_longest_release() -> None:
    """A CronJob may have 52 characters, since its Jobs get eleven more; a Service and a label 63."""
    for name in ("m" * 53, "marquee-" + "x" * 45):
        release = render(merged(values("full"), {"fullnameOverride": ""}), name=name, revision=1000)
        longest = {"CronJob": 52}
        for thing in release.objects:
            assert len(thing["metadata"]["name"]) <= longest.get(thing["kind"], 63), thing["metadata"]["name"]
            for value in thing["metadata"]["labels"].values():
                assert len(value) <= 63, value


@pytest.mark.parametrize("name", ["2026", "1e5", "0x10"])
def test_a_release_may_be_called_by_a_number(name: str) -> None:
    """Labels are text: a bare number is refused by Kubernetes."""
    release = render(values("full"), name=name)
    things = [*release.objects, *({"metadata": pod.metadata} for pod in release.pods)]
    assert {thing["metadata"]["labels"]["app.kubernetes.io/instance"] for thing in things} == {name}
    selector = release.one("Service", "marquee-api")["spec"]["selector"]
    assert selector["app.kubernetes.io/instance"] == name


@pytest.mark.parametrize("case", ["default", "minimal", "full"])
def test_every_object_says_whose_it_is(case: str) -> None:
    for thing in render(values(case)).objects:
        labels = thing["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "marquee"
        assert labels["app.kubernetes.io/instance"] == "marquee"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["helm.sh/chart"].startswith("marquee-")


def test_an_image_can_be_pinned_by_its_digest() -> None:
    digest = "sha256:" + "a" * 64
    release = render({"image": {"repository": "example.com/marquee", "tag": "7", "digest": digest}})
    assert release.of("api")[0].containers[0]["image"] == f"example.com/marquee:7@{digest}"


def test_no_image_floats() -> None:
    images = {
        one["image"]
        for case in ("default", "minimal", "full")
        for pod in render(values(case)).pods
        for one in pod.containers
    }
    assert [
        image for image in images if image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    ] == []


def test_every_pod_may_pull_with_the_same_credentials() -> None:
    release = render(merged(values("full"), {"imagePullSecrets": ["registry"]}))
    assert {str(pod): pod.spec.get("imagePullSecrets") for pod in release.pods} == {
        str(pod): [{"name": "registry"}] for pod in release.pods
    }
    accounts = release.all("ServiceAccount")  # of the pods that Airflow makes, too
    assert [one["imagePullSecrets"] for one in accounts] == [[{"name": "registry"}]] * len(accounts)
