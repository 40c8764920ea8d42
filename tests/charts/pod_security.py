"""The rules of Pod Security "restricted" (as of Kubernetes 1.37), and the ones that Marquee adds to them.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Spec = Mapping[str, Any]
Rule = Callable[[Spec], Iterator[str]]
GROUPS = ("initContainers", "containers", "ephemeralContainers")
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def containers(spec: Spec) -> Iterator[Spec]:
    for group in GROUPS:
        yield from spec.get(group, ())


def contexts(spec: Spec) -> Iterator[tuple[str, Spec]]:
    yield "pod", spec.get("securityContext", {})
    for container in containers(spec):
        yield container["name"], container.get("securityContext", {})


def _inherited(spec: Spec, key: str) -> Iterator[tuple[str, Any]]:
    """What holds for each container: its own word, or else the pod's."""
    pods = spec.get("securityContext", {}).get(key)
    for container in containers(spec):
        yield container["name"], container.get("securityContext", {}).get(key, pods)


def host_namespaces(spec: Spec) -> Iterator[str]:
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))


def host_processes(spec: Spec) -> Iterator[str]:
    for name, context in contexts(spec):
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield f"{name}: hostProcess"


def privileged(spec: Spec) -> Iterator[str]:
    yield from (f"{name}: privileged" for name, context in contexts(spec) if context.get("privileged"))


def capabilities(spec: Spec) -> Iterator[str]:
    for container in containers(spec):
        asked = container.get("securityContext", {}).get("capabilities", {})
        if "ALL" not in asked.get("drop", ()):
            yield f"{container['name']}: capabilities.drop has no ALL"
        if set(asked.get("add", ())) - {"NET_BIND_SERVICE"}:
            yield f"{container['name']}: capabilities.add"


def volume_types(spec: Spec) -> Iterator[str]:
    for volume in spec.get("volumes", ()):
        if set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: {sorted(set(volume) - {'name'})}"


def host_ports(spec: Spec) -> Iterator[str]:
    for container in containers(spec):
        for port in container.get("ports", ()):
            if port.get("hostPort"):
                yield f"{container['name']}: hostPort {port['hostPort']}"


def probe_hosts(spec: Spec) -> Iterator[str]:
    """Newer than the rest: from 1.34 on a probe or a hook may name no host."""
    for container in containers(spec):
        hooks = container.get("lifecycle", {})
        probes = [container.get(f"{kind}Probe", {}) for kind in ("liveness", "readiness", "startup")]
        for action in [*probes, hooks.get("postStart", {}), hooks.get("preStop", {})]:
            if action.get("httpGet", {}).get("host") or action.get("tcpSocket", {}).get("host"):
                yield f"{container['name']}: a probe or a hook names a host"


def app_armor(spec: Spec) -> Iterator[str]:
    for name, context in contexts(spec):
        if context.get("appArmorProfile", {}).get("type") not in {None, "RuntimeDefault", "Localhost"}:
            yield f"{name}: appArmorProfile"


def selinux(spec: Spec) -> Iterator[str]:
    for name, context in contexts(spec):
        options = context.get("seLinuxOptions", {})
        if options.get("type") not in SELINUX or options.get("user") or options.get("role"):
            yield f"{name}: seLinuxOptions"


def proc_mount(spec: Spec) -> Iterator[str]:
    for name, context in contexts(spec):
        if context.get("procMount") not in {None, "Default"}:
            yield f"{name}: procMount"


def seccomp(spec: Spec) -> Iterator[str]:
    for name, profile in _inherited(spec, "seccompProfile"):
        if (profile or {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield f"{name}: seccompProfile"


def sysctls(spec: Spec) -> Iterator[str]:
    for sysctl in spec.get("securityContext", {}).get("sysctls", ()):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"


def escalation(spec: Spec) -> Iterator[str]:
    for container in containers(spec):
        if container.get("securityContext", {}).get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']}: allowPrivilegeEscalation"


def non_root(spec: Spec) -> Iterator[str]:
    yield from (f"{name}: runAsNonRoot" for name, yes in _inherited(spec, "runAsNonRoot") if yes is not True)


def user(spec: Spec) -> Iterator[str]:
    yield from (f"{name}: runAsUser 0" for name, context in contexts(spec) if context.get("runAsUser") == 0)


RESTRICTED: tuple[Rule, ...] = (
    host_namespaces, host_processes, privileged, capabilities, volume_types, host_ports, probe_hosts,
    app_armor, selinux, proc_mount, seccomp, sysctls, escalation, non_root, user,
)  # fmt: skip


def resources(spec: Spec) -> Iterator[str]:
    for container in containers(spec):
        given = container.get("resources", {})
        for kind in ("requests", "limits"):
            for what in {"cpu", "memory"} - set(given.get(kind, ())):
                yield f"{container['name']}: no {what} in {kind}"


def writable_roots(spec: Spec) -> Iterator[str]:
    for container in containers(spec):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']}: readOnlyRootFilesystem"


def unnamed_users(spec: Spec) -> Iterator[str]:
    """runAsNonRoot alone fails at start where the image names its user by a word."""
    for key in ("runAsUser", "runAsGroup"):
        for name, number in _inherited(spec, key):
            if type(number) is not int or number < 1:
                yield f"{name}: {key} {number}"


def added_capabilities(spec: Spec) -> Iterator[str]:
    for container in containers(spec):
        if container.get("securityContext", {}).get("capabilities", {}).get("add"):
            yield f"{container['name']}: capabilities.add"


def tokens(spec: Spec) -> Iterator[str]:
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken"
    if spec.get("serviceAccountName", "default") == "default":
        yield "serviceAccountName is the namespace's own"


def service_links(spec: Spec) -> Iterator[str]:
    if spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks"


def whole_secrets(spec: Spec) -> Iterator[str]:
    """Every pod takes single keys, so that it has none which it does not need."""
    for container in containers(spec):
        if any("secretRef" in source for source in container.get("envFrom", ())):
            yield f"{container['name']}: envFrom of a Secret"
    for volume in spec.get("volumes", ()):
        if "secret" in volume and not volume["secret"].get("items"):
            yield f"volume {volume['name']}: a whole Secret"


OURS: tuple[Rule, ...] = (
    resources, writable_roots, unnamed_users, added_capabilities, tokens, service_links, whole_secrets,
)  # fmt: skip


def broken(spec: Spec, rules: tuple[Rule, ...]) -> list[str]:
    return [sentence for rule in rules for sentence in rule(spec)]
