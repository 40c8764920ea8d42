"""How a verb runs as a pod, where MARQUEE_RUNNER is kubernetes. dags/README.md says what each setting is."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from kubernetes.client import models as k8s
from pod_step import PodStep

USER = 10001
SIZE = {"cpu": "250m", "cpuLimit": "2", "memory": "2Gi", "tmp": "2Gi"}
SECRETS = {"PGPASSWORD": "PIPELINE_PASSWORD", "TOMBSTONE_KEY": "TOMBSTONE_KEY"}
BUCKET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
AUTHORITY = "/etc/marquee/authority"


def pod(verb: str, words: Mapping[str, str], longest: timedelta) -> tuple[Any, dict[str, Any]]:
    """The operator and what it is made with."""
    said = [word for name, value in words.items() for word in _said(name, _unexpanded(value))]
    size = SIZE | _json("MARQUEE_SIZES").get(verb, {})
    volumes, mounts = zip(*_volumes(size["tmp"]), strict=True)
    start_within_s = int(os.environ.get("MARQUEE_START_S", "900"))  # a node is added, an image pulled
    return PodStep, {
        "kubernetes_conn_id": None,
        "in_cluster": not os.environ.get("KUBECONFIG"),  # the triggerer would not find out by itself
        "name": f"marquee-{verb}",
        "namespace": os.environ["MARQUEE_NAMESPACE"],
        "labels": _labels(),
        "image": os.environ["MARQUEE_IMAGE"],
        "image_pull_policy": os.environ.get("MARQUEE_PULL_POLICY", "IfNotPresent"),
        "cmds": ["marquee"],
        "arguments": ["--record", "-", verb, *said],
        "service_account_name": os.environ["MARQUEE_SERVICE_ACCOUNT"],
        "automount_service_account_token": False,
        "env_from": [
            k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(os.environ["MARQUEE_CONFIGMAP"]))
        ],
        "env_vars": list(_secrets()),
        "container_resources": _resources(size),
        "security_context": _of_the_pod(),
        "container_security_context": _of_the_container(),
        "affinity": _beside(),
        "volumes": list(volumes),
        "volume_mounts": list(mounts),
        "do_xcom_push": True,
        "deferrable": True,
        "poll_interval": 5,
        "logging_interval": 30,
        "log_pod_spec_on_failure": False,
        "log_events_on_startup": False,  # it may not read events
        "schedule_timeout_seconds": start_within_s,
        "startup_timeout_seconds": start_within_s,
        "active_deadline_seconds": int(longest.total_seconds()),
        "termination_grace_period": 10,
        "termination_message_policy": "FallbackToLogsOnError",
    }


def _json(name: str) -> dict[str, Any]:
    return dict(json.loads(os.environ.get(name) or "{}"))


def _said(name: str, value: str) -> list[str]:
    return [value] if name.isupper() else [f"--{name}", value]


def _unexpanded(template: str) -> str:
    """Kubernetes reads $(NAME) in arguments as a variable: what a person typed must not show a secret."""
    return "{% filter replace('$', '$$') %}" + template + "{% endfilter %}"


def _labels() -> dict[str, str]:
    """NetworkPolicies go by the first three, volumes by the last."""
    labels = {"name": "marquee", "instance": os.environ["MARQUEE_INSTANCE"], "component": "pipeline"}
    beside = os.environ.get("MARQUEE_VOLUMES")
    return {f"app.kubernetes.io/{name}": value for name, value in labels.items()} | (
        {"marquee.io/volumes": beside} if beside else {}
    )


def _beside() -> k8s.V1Affinity | None:
    """A ReadWriteOnce volume is on one node: all pods that use it go there."""
    beside = os.environ.get("MARQUEE_VOLUMES")
    if not beside:
        return None
    others = k8s.V1LabelSelector(match_labels={"marquee.io/volumes": beside})
    term = k8s.V1PodAffinityTerm(label_selector=others, topology_key="kubernetes.io/hostname")
    return k8s.V1Affinity(
        pod_affinity=k8s.V1PodAffinity(required_during_scheduling_ignored_during_execution=[term])
    )


def _secrets() -> Iterator[k8s.V1EnvVar]:
    """Single keys: a Secret as a whole holds what is none of this pod's business."""
    for name, key in SECRETS.items():
        yield _from_secret(name, os.environ["MARQUEE_SECRET"], key)
    if bucket := os.environ.get("MARQUEE_BUCKET_SECRET"):
        for name in BUCKET_KEYS:
            yield _from_secret(name, bucket, name)


def _from_secret(name: str, secret: str, key: str) -> k8s.V1EnvVar:
    source = k8s.V1SecretKeySelector(name=secret, key=key)
    return k8s.V1EnvVar(name=name, value_from=k8s.V1EnvVarSource(secret_key_ref=source))


def _resources(size: Mapping[str, str]) -> k8s.V1ResourceRequirements:
    """Memory beyond the limit ends a process, so what it may use is set aside for it."""
    memory = {"memory": size["memory"]}
    return k8s.V1ResourceRequirements(
        requests={"cpu": size["cpu"]} | memory, limits={"cpu": size["cpuLimit"]} | memory
    )


def _of_the_pod() -> k8s.V1PodSecurityContext:
    return k8s.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    )


def _of_the_container() -> k8s.V1SecurityContext:
    return k8s.V1SecurityContext(
        run_as_non_root=True,
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.V1Capabilities(drop=["ALL"]),
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    )


def _volumes(tmp: str) -> Iterator[tuple[k8s.V1Volume, k8s.V1VolumeMount]]:
    """A scratch folder, the claims that hold days and models, and whom to believe about the database."""
    scratch = k8s.V1EmptyDirVolumeSource(size_limit=tmp)
    yield k8s.V1Volume(name="tmp", empty_dir=scratch), _mount("tmp", "/tmp")  # noqa: S108 - in the pod
    for claim, folder in _json("MARQUEE_CLAIMS").items():
        source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim)
        yield k8s.V1Volume(name=claim, persistent_volume_claim=source), _mount(claim, folder)
    if authority := os.environ.get("MARQUEE_AUTHORITY"):
        yield _authority(*authority.split("/")), _mount("authority", AUTHORITY, read_only=True)


def _authority(kind: str, name: str, key: str) -> k8s.V1Volume:
    items = [k8s.V1KeyToPath(key=key, path=key)]
    if kind == "Secret":
        return k8s.V1Volume(name="authority", secret=k8s.V1SecretVolumeSource(secret_name=name, items=items))
    return k8s.V1Volume(name="authority", config_map=k8s.V1ConfigMapVolumeSource(name=name, items=items))


def _mount(name: str, folder: str, *, read_only: bool | None = None) -> k8s.V1VolumeMount:
    return k8s.V1VolumeMount(name=name, mount_path=folder, read_only=read_only)
