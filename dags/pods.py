"""How a verb runs as a pod, where MARQUEE_RUNNER is kubernetes. dags/README.md says what each setting is."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s

RECORD = "/airflow/xcom/return.json"
NOBODY = 65534
SIZE = {"cpu": "500m", "memory": "2Gi"}
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(verb: str, words: Mapping[str, str], longest: timedelta) -> tuple[Any, dict[str, Any]]:
    """The operator and what it is made with."""
    said = [word for name, value in words.items() for word in _said(name, _unexpanded(value))]
    volumes, mounts = _volumes()
    return KubernetesPodOperator, {
        "name": f"marquee-{verb}",
        "image": os.environ["MARQUEE_IMAGE"],
        "cmds": ["marquee"],
        "arguments": ["--record", RECORD, verb, *said],
        "namespace": os.environ["MARQUEE_NAMESPACE"],
        "service_account_name": os.environ["MARQUEE_SERVICE_ACCOUNT"],
        "automount_service_account_token": False,
        "env_from": [
            k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(os.environ["MARQUEE_CONFIGMAP"])),
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(os.environ["MARQUEE_SECRET"])),
        ],
        "container_resources": _resources(verb),
        "container_security_context": RESTRICTED,
        "xcom_sidecar_container_security_context": RESTRICTED | {"runAsUser": NOBODY},
        "volumes": volumes,
        "volume_mounts": mounts,
        "do_xcom_push": True,
        "deferrable": True,
        "logging_interval": 30,
        "active_deadline_seconds": int(longest.total_seconds()),
        "on_finish_action": "delete_succeeded_pod",
    }


def _said(name: str, value: str) -> list[str]:
    return [value] if name.isupper() else [f"--{name}", value]


def _unexpanded(template: str) -> str:
    """Kubernetes reads $(NAME) in arguments as a variable: what a person typed must not show a secret."""
    return "{% filter replace('$', '$$') %}" + template + "{% endfilter %}"


def _resources(verb: str) -> k8s.V1ResourceRequirements:
    size = SIZE | json.loads(os.environ.get("MARQUEE_SIZES", "{}")).get(verb, {})
    return k8s.V1ResourceRequirements(requests=size, limits={"memory": size["memory"]})


def _volumes() -> tuple[list[k8s.V1Volume], list[k8s.V1VolumeMount]]:
    """A scratch folder, and the claims that hold days and models where these are not in a bucket."""
    claims = json.loads(os.environ.get("MARQUEE_CLAIMS", "{}"))
    volumes = [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource())]
    mounts = [k8s.V1VolumeMount(name="tmp", mount_path="/tmp")]  # noqa: S108 - in the pod
    for claim, folder in claims.items():
        source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim)
        volumes.append(k8s.V1Volume(name=claim, persistent_volume_claim=source))
        mounts.append(k8s.V1VolumeMount(name=claim, mount_path=folder))
    return volumes, mounts
