"""Who may reach whom: NetworkPolicies evaluated as Kubernetes defines them, for pods and for addresses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.charts.rendering import Object, Pod

Labels = dict[str, str]
OURS = "marquee"


@dataclass(frozen=True)
class Peer:
    """A pod, by its labels and its namespace, or an address outside the cluster."""

    labels: Labels = field(default_factory=dict)
    namespace: str = OURS
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str | None = None

    @classmethod
    def of(cls, pod: Pod) -> "Peer":
        declared = (port for container in pod.containers for port in container.get("ports", ()))
        return cls(pod.labels, OURS, {port["name"]: port["containerPort"] for port in declared})

    @property
    def namespace_labels(self) -> Labels:
        """The label that every namespace has."""
        return {"kubernetes.io/metadata.name": self.namespace}


def selects(selector: Object, labels: Labels) -> bool:
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(_expression(one, labels) for one in selector.get("matchExpressions", ()))


def _expression(one: Mapping[str, Any], labels: Labels) -> bool:
    value, wanted = labels.get(one["key"]), one.get("values", ())
    match one["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(other)


def may_reach(
    policies: Iterable[Object], source: Peer, target: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Both ends must agree: the source's egress and the target's ingress."""
    policies = list(policies)
    out = _passes(policies, "Egress", source, target, target, port, protocol)
    return out and _passes(policies, "Ingress", target, source, target, port, protocol)


def _passes(
    policies: list[Object], way: str, held: Peer, other: Peer, target: Peer, port: int, protocol: str
) -> bool:
    """Nothing of ours holds a pod of another namespace; an isolated pod passes what one rule allows."""
    applying = [policy["spec"] for policy in policies if _holds(policy["spec"], way, held)]
    rules = [rule for spec in applying for rule in spec.get(way.lower()) or ()]
    return not applying or any(_allows(rule, way, other, target, port, protocol) for rule in rules)


def _holds(spec: Object, way: str, pod: Peer) -> bool:
    ways = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    ours = pod.address is None and pod.namespace == OURS
    return ours and way in ways and selects(spec["podSelector"], pod.labels)


def _allows(rule: Object, way: str, other: Peer, target: Peer, port: int, protocol: str) -> bool:
    peers = rule.get("from" if way == "Ingress" else "to")
    ports = rule.get("ports")
    fits = not ports or any(_opens(one, target, port, protocol) for one in ports)
    return fits and (not peers or any(_is(peer, other) for peer in peers))


def _opens(one: Object, target: Peer, port: int, protocol: str) -> bool:
    if one.get("protocol", "TCP") != protocol:
        return False
    first: int | str = one.get("port", port)
    if isinstance(first, str):
        return target.ports.get(first) == port
    last: int = one.get("endPort", first)
    return first <= port <= last


def _is(peer: Object, other: Peer) -> bool:
    if "ipBlock" in peer:
        return other.address is not None and _within(peer["ipBlock"], other.address)
    if other.address is not None:
        return False
    if "namespaceSelector" not in peer:
        return other.namespace == OURS and selects(peer["podSelector"], other.labels)
    same = selects(peer["namespaceSelector"], other.namespace_labels)
    return same and selects(peer.get("podSelector", {}), other.labels)


def _within(block: Object, address: str) -> bool:
    there = ip_address(address)
    cut = (ip_network(part) for part in block.get("except", ()))
    return there in ip_network(block["cidr"]) and not any(there in part for part in cut)
