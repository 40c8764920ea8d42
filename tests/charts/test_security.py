"""Pod Security "restricted" holds for every pod of ours, and each gets the secrets it needs and no other."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.cluster import held
from tests.charts.pod_security import OURS, RESTRICTED, broken
from tests.charts.rendering import Object, Pod, Release, render, title, values, values_files

EVERY = sorted(values_files())
SECRETIVE = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)KEYS?$", re.IGNORECASE)
NOT_SECRET = {"PGPASSFILE", "POSTGRES_PASSWORD_FILE", "TOKEN_MINUTES", "TOKEN_RATE"}
ALL_ROLES = {
    f"{role}_PASSWORD" for role in ("POSTGRES", "OWNER", "API", "PIPELINE", "ANALYST", "BACKUP", "AIRFLOW")
}
BUCKET = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
MAY_READ: dict[tuple[str, str], set[str]] = {
    ("api", "api"): {"API_PASSWORD", "JWT_KEYS", "TOMBSTONE_KEY", "REGISTRATION_KEY"} | BUCKET,
    ("postgres", "postgres"): {"POSTGRES_PASSWORD"},
    ("setup", "roles"): ALL_ROLES,
    ("setup", "migrate"): {"OWNER_PASSWORD"},
    ("setup", "clients"): {"OWNER_PASSWORD"},
    ("setup", "catalogue"): {"PIPELINE_PASSWORD", "TOMBSTONE_KEY"},
    ("backup", "dump"): {"BACKUP_PASSWORD"},
    ("backup", "keep"): BUCKET,
    ("restore", "fetch"): BUCKET,
    ("restore", "restore"): {"POSTGRES_PASSWORD"},
    ("restore", "migrate"): {"OWNER_PASSWORD"},
    ("restore", "forget"): {"API_PASSWORD", "TOMBSTONE_KEY"} | BUCKET,
    ("restore", "swap"): {"POSTGRES_PASSWORD"},
    ("pipeline", "marquee"): {"PIPELINE_PASSWORD", "TOMBSTONE_KEY"} | BUCKET,
    ("pipeline", "clients"): {"OWNER_PASSWORD"},
    ("simulator", "day"): set(),
    ("test", "ask"): {"REGISTRATION_KEY"},
}
BREAKING: list[tuple[str, Any, str]] = [
    ("hostNetwork", True, "hostNetwork"),
    ("hostPID", True, "hostPID"),
    ("hostIPC", True, "hostIPC"),
    ("volumes", [{"name": "node", "hostPath": {"path": "/"}}], "volume node"),
    ("volumes", [{"name": "share", "nfs": {"server": "a", "path": "/"}}], "volume share"),
    ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "sysctl kernel.msgmax"),
    ("securityContext.windowsOptions", {"hostProcess": True}, "hostProcess"),
    ("securityContext.seLinuxOptions", {"user": "system_u"}, "seLinuxOptions"),
    ("securityContext.seLinuxOptions", {"type": "spc_t"}, "seLinuxOptions"),
    ("securityContext.appArmorProfile", {"type": "Unconfined"}, "appArmorProfile"),
    ("securityContext.runAsUser", 0, "runAsUser 0"),
    ("containers.0.securityContext.runAsNonRoot", False, "runAsNonRoot"),
    ("containers.0.securityContext.privileged", True, "privileged"),
    ("containers.0.securityContext.allowPrivilegeEscalation", None, "allowPrivilegeEscalation"),
    ("containers.0.securityContext.capabilities", {"drop": ["NET_RAW"]}, "no ALL"),
    (
        "containers.0.securityContext.capabilities",
        {"drop": ["ALL"], "add": ["SYS_PTRACE"]},
        "capabilities.add",
    ),
    ("containers.0.securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    ("containers.0.securityContext.procMount", "Unmasked", "procMount"),
    ("containers.0.ports", [{"containerPort": 80, "hostPort": 80}], "hostPort"),
    (
        "containers.0.livenessProbe",
        {"httpGet": {"path": "/", "port": 80, "host": "10.0.0.1"}},
        "names a host",
    ),
    ("containers.0.lifecycle", {"preStop": {"tcpSocket": {"port": 1, "host": "a"}}}, "names a host"),
    ("containers.0.resources.limits", {"cpu": "1"}, "no memory in limits"),
    ("containers.0.resources.requests", {"memory": "1Gi"}, "no cpu in requests"),
    ("containers.0.securityContext.readOnlyRootFilesystem", False, "readOnlyRootFilesystem"),
    ("containers.0.securityContext.runAsUser", "10001", "runAsUser"),
    ("containers.0.securityContext.capabilities", {"drop": ["ALL"], "add": ["CHOWN"]}, "capabilities.add"),
    ("automountServiceAccountToken", None, "automountServiceAccountToken"),
    ("serviceAccountName", "default", "serviceAccountName"),
    ("enableServiceLinks", True, "enableServiceLinks"),
    ("containers.0.envFrom", [{"secretRef": {"name": "marquee"}}], "envFrom of a Secret"),
    ("volumes", [{"name": "all", "secret": {"secretName": "marquee"}}], "a whole Secret"),
]


@pytest.mark.parametrize("case", EVERY)
def test_every_pod_is_restricted_and_keeps_to_our_rules(case: str) -> None:
    pods = render(values(case)).pods
    assert pods
    assert {str(pod): broken(pod.spec, RESTRICTED + OURS) for pod in pods} == {str(pod): [] for pod in pods}


@pytest.mark.parametrize(("where", "value", "sentence"), BREAKING)
def test_a_pod_that_breaks_a_rule_is_seen(where: str, value: Any, sentence: str) -> None:
    spec = copy.deepcopy(render().of("api")[0].spec)
    *path, last = where.split(".")
    place: Any = spec
    for step in path:
        place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
    place[last] = value
    assert any(sentence in one for one in broken(spec, RESTRICTED + OURS))


def secret_keys(pod: Pod, container: Object) -> Iterator[str]:
    """The keys of any Secret that a container finds in its environment or in its files."""
    for variable in container.get("env", ()):
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        if source:
            yield source["key"]
    mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
    for volume in pod.spec.get("volumes", ()):
        if volume["name"] in mounted and "secret" in volume:
            yield from (item["key"] for item in volume["secret"]["items"])


def too_much(release: Release) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pod in release.pods:
        for container in pod.containers:
            extra = set(secret_keys(pod, container)) - MAY_READ[pod.component, container["name"]]
            if extra:
                found[f"{pod}: {container['name']}"] = extra
    return found


@pytest.mark.parametrize("case", EVERY)
def test_a_container_reads_the_keys_that_it_needs_and_no_other(case: str) -> None:
    assert too_much(render(values(case))) == {}


def test_a_key_too_much_is_seen() -> None:
    release = copy.deepcopy(render())
    reference = {"secretKeyRef": {"name": "marquee", "key": "OWNER_PASSWORD"}}
    release.of("api")[0].containers[0]["env"].append({"name": "PGPASSWORD", "valueFrom": reference})
    assert too_much(release) == {"Deployment/marquee-api: api": {"OWNER_PASSWORD"}}


def leaks(release: Release) -> list[str]:
    """Objects that hold a secret in plain sight, and the values of the Secret that stand anywhere else."""
    secrets = [value for one in held(release).values() for value in re.split("[,:]", one) if len(value) > 8]
    others = [thing for thing in release.objects if thing["kind"] != "Secret"]
    told = [title(thing) for thing in others if any(secret in json.dumps(thing) for secret in secrets)]
    return [*told, *(["NOTES"] if any(secret in release.notes for secret in secrets) else [])]


@pytest.mark.parametrize("case", EVERY)
def test_what_the_secret_holds_stands_nowhere_else(case: str) -> None:
    release = render(values(case))
    if values(case).get("existingSecret"):
        assert release.all("Secret") == []
    else:
        assert leaks(release) == []


def test_a_secret_in_a_config_map_is_seen() -> None:
    release = copy.deepcopy(render())
    secret = held(release)["OWNER_PASSWORD"]
    release.objects.append({"kind": "ConfigMap", "metadata": {"name": "leak"}, "data": {"A": f"x{secret}"}})
    assert leaks(release) == ["ConfigMap/leak"]


def plain(release: Release) -> Iterator[tuple[str, str, str]]:
    """Every name and value that anybody may read who may read the object."""
    for thing in release.all("ConfigMap"):
        yield from ((title(thing), key, value) for key, value in thing.get("data", {}).items())
    for pod in release.pods:
        for container in pod.containers:
            for variable in container.get("env", ()):
                yield str(pod), variable["name"], variable.get("value", "")
            for word in [*container.get("command", ()), *container.get("args", ())]:
                yield str(pod), "command", word
    for thing in release.objects:
        for key, value in thing["metadata"].get("annotations", {}).items():
            yield title(thing), key, value


@pytest.mark.parametrize("case", EVERY)
def test_nothing_that_is_named_like_a_secret_has_a_value_in_plain_sight(case: str) -> None:
    for where, name, value in plain(render(values(case))):
        named = (
            SECRETIVE.search(name)
            and name not in NOT_SECRET
            and not name.endswith(("/name", ".yaml", ".json"))
        )
        assert not (named and value), f"{where}: {name}"
        assert not re.search(r"://[^/@\s]*:[^/@\s]+@", value), f"{where}: {name} is a URL with a password"


AIRFLOW = {"airflow": {"enabled": True}}


def rights(role: Object) -> Iterator[tuple[set[str], set[str], set[str]]]:
    for rule in role["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        yield set(rule["apiGroups"]), set(rule["resources"]), set(rule["verbs"])


def test_airflow_may_start_pods_and_read_their_logs_and_nothing_more() -> None:
    release = render(AIRFLOW)
    assert list(rights(release.one("Role", "marquee-airflow"))) == [
        ({""}, {"pods"}, {"create", "get", "list", "watch", "delete"}),
        ({""}, {"pods/log"}, {"get"}),
    ]
    binding = release.one("RoleBinding", "marquee-airflow")
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "marquee-airflow",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": name, "namespace": "airflow"}
        for name in ("airflow-scheduler", "airflow-triggerer")
    ]


@pytest.mark.parametrize("case", EVERY)
def test_no_other_right_is_given(case: str) -> None:
    kinds = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    given = {title(thing) for thing in render(values(case)).objects if thing["kind"] in kinds}
    enabled = values(case).get("airflow", {}).get("enabled")
    assert given == ({"Role/marquee-airflow", "RoleBinding/marquee-airflow"} if enabled else set())


@pytest.mark.parametrize("case", EVERY)
def test_every_service_account_of_a_pod_is_there_and_mounts_no_token(case: str) -> None:
    release = render(values(case))
    accounts = {thing["metadata"]["name"]: thing for thing in release.all("ServiceAccount")}
    assert {pod.spec["serviceAccountName"] for pod in release.pods} <= set(accounts)
    assert [
        name for name, one in accounts.items() if one.get("automountServiceAccountToken") is not False
    ] == []
