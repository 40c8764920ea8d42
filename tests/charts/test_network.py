"""Default deny, then what is needed: who may reach whom, over the pods as rendered."""

import copy

import pytest

from tests.charts.reach import Peer, may_reach, selects
from tests.charts.rendering import Object, Release, merged, render, title

FULL: Object = {
    "networkPolicy": {"ingressNamespace": "ingress"},
    "monitoring": {"enabled": True},
    "airflow": {"enabled": True},
    "ingress": {"enabled": True, "hosts": ["marquee.example.com"]},
    "simulator": {"enabled": True},
}
POSTGRES, HTTP = 5432, 8000
PIPELINE = {
    "app.kubernetes.io/name": "marquee",
    "app.kubernetes.io/instance": "marquee",
    "app.kubernetes.io/component": "pipeline",
}
FOREIGN = {
    "airflow": Peer({"component": "scheduler"}, "airflow"),
    "prometheus": Peer({"app.kubernetes.io/name": "prometheus"}, "monitoring"),
    "grafana elsewhere": Peer({"app.kubernetes.io/name": "grafana"}, "elsewhere"),
    "ingress controller": Peer({"app.kubernetes.io/name": "traefik"}, "ingress"),
    "a client": Peer({"marquee.io/client": "true"}, "streaming"),
    "a neighbour": Peer({"app": "shop"}),
    "a stranger": Peer({"app": "shop"}, "shop"),
    "dns": Peer({"k8s-app": "kube-dns"}, "kube-system"),
    "the internet": Peer(address="203.0.113.7"),
    "metadata server": Peer(address="169.254.169.254"),
    "pipeline": Peer(PIPELINE),
}
REACH: list[tuple[str, str, int, bool]] = [
    ("api", "postgres", POSTGRES, True),
    ("setup", "postgres", POSTGRES, True),
    ("backup", "postgres", POSTGRES, True),
    ("restore", "postgres", POSTGRES, True),
    ("pipeline", "postgres", POSTGRES, True),
    ("airflow", "postgres", POSTGRES, True),
    ("simulator", "postgres", POSTGRES, False),
    ("test", "postgres", POSTGRES, False),
    ("a client", "postgres", POSTGRES, False),
    ("a neighbour", "postgres", POSTGRES, False),
    ("a stranger", "postgres", POSTGRES, False),
    ("prometheus", "postgres", POSTGRES, False),
    ("ingress controller", "postgres", POSTGRES, False),
    ("api", "postgres", 22, False),
    ("test", "api", HTTP, True),
    ("prometheus", "api", HTTP, True),
    ("ingress controller", "api", HTTP, True),
    ("a client", "api", HTTP, True),
    ("a neighbour", "api", HTTP, False),
    ("a stranger", "api", HTTP, False),
    ("grafana elsewhere", "api", HTTP, False),
    ("airflow", "api", HTTP, False),
    ("postgres", "api", HTTP, False),
    ("a client", "api", 22, False),
    ("airflow", "pipeline", HTTP, False),
    ("a stranger", "backup", 80, False),
    ("a neighbour", "setup", 80, False),
    ("postgres", "the internet", 443, False),
    ("postgres", "a stranger", POSTGRES, False),
    ("api", "the internet", 443, False),
    ("api", "metadata server", 80, False),
    ("backup", "the internet", 443, False),
    ("simulator", "the internet", 443, False),
    ("test", "the internet", 443, False),
    ("pipeline", "the internet", 443, False),
    ("pipeline", "a stranger", 80, False),
]


def peer(release: Release, name: str) -> Peer:
    return FOREIGN.get(name) or Peer.of(release.of(name)[0])


def policies(release: Release) -> list[Object]:
    return release.all("NetworkPolicy")


@pytest.mark.parametrize(("source", "target", "port", "may"), REACH)
def test_who_may_reach_whom(source: str, target: str, port: int, may: bool) -> None:
    release = render(FULL)
    assert may_reach(policies(release), peer(release, source), peer(release, target), port) is may


@pytest.mark.parametrize("component", ["api", "setup", "backup", "restore", "pipeline", "simulator", "test"])
@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_a_pod_that_asks_by_name_may_ask_dns_and_nothing_else_there(component: str, protocol: str) -> None:
    release = render(FULL)
    asker = peer(release, component)
    assert may_reach(policies(release), asker, FOREIGN["dns"], 53, protocol)
    assert not may_reach(policies(release), asker, FOREIGN["dns"], 443, protocol)


def test_names_are_asked_at_the_port_of_the_pods_behind_the_service() -> None:
    """Policies see the address and the port after the Service's: on OpenShift 5353."""
    openshift = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}
    release = render({"networkPolicy": {"dns": [openshift], "dnsPorts": [5353]}})
    server = Peer({"dns.operator.openshift.io/daemonset-dns": "default"}, "openshift-dns")
    for protocol in ("UDP", "TCP"):
        assert may_reach(policies(release), peer(release, "api"), server, 5353, protocol)
        assert not may_reach(policies(release), peer(release, "api"), server, 53, protocol)


def test_a_pod_without_our_labels_reaches_nothing_in_a_namespace_of_our_own() -> None:
    """Whoever may start pods, as Airflow may, chooses their labels."""
    own = {"networkPolicy": {"wholeNamespace": True}}
    bare, internet = Peer(), FOREIGN["the internet"]
    assert may_reach(policies(render(FULL)), bare, internet, 443)
    release = render(merged(FULL, own))
    for target, port in ((internet, 443), (FOREIGN["a stranger"], 80), (peer(release, "api"), HTTP)):
        assert not may_reach(policies(release), bare, target, port)
    assert may_reach(policies(release), peer(release, "api"), peer(release, "postgres"), POSTGRES)
    assert may_reach(policies(release), FOREIGN["ingress controller"], bare, 8089)  # as cert-manager's solver


def test_a_pod_of_the_release_that_no_rule_knows_reaches_nothing() -> None:
    release = render(FULL)
    unknown = Peer(PIPELINE | {"app.kubernetes.io/component": "new"})
    for other in (
        peer(release, "postgres"),
        peer(release, "api"),
        FOREIGN["the internet"],
        FOREIGN["a stranger"],
    ):
        assert not may_reach(policies(release), unknown, other, POSTGRES)
        assert not may_reach(policies(release), other, unknown, POSTGRES)


def test_another_release_of_the_namespace_does_not_count_as_ours() -> None:
    release = render(FULL)
    for name in ("api", "setup", "pipeline"):
        other = Peer(peer(release, name).labels | {"app.kubernetes.io/instance": "staging"})
        assert not may_reach(policies(release), other, peer(release, "postgres"), POSTGRES)


def test_who_is_switched_off_is_let_in_no_more() -> None:
    for key, name in (
        ("monitoring", "prometheus"),
        ("ingress", "ingress controller"),
        ("airflow", "airflow"),
    ):
        release = render(merged(FULL, {key: {"enabled": False}}))
        for target, port in (("api", HTTP), ("postgres", POSTGRES)):
            assert not may_reach(policies(release), FOREIGN[name], peer(release, target), port), key


def test_only_pods_that_use_a_bucket_may_reach_it() -> None:
    buckets = {"data": "s3://films/data", "models": "s3://films/models", "backups": "s3://films/backups"}
    release = render(merged(FULL, {"simulator": {"enabled": False}, "objectStorage": buckets}))
    reaching = {
        name: may_reach(policies(release), peer(release, name), FOREIGN["the internet"], 443)
        for name in ("api", "pipeline", "backup", "restore", "postgres", "test", "setup")
    }
    assert [name for name, may in reaching.items() if may] == [
        "api",
        "pipeline",
        "backup",
        "restore",
    ]


def test_a_bucket_can_be_named_by_its_addresses() -> None:
    named = {"networkPolicy": {"objectStorage": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}}
    release = render(merged(FULL, named, {"objectStorage": {"models": "s3://films/models"}}))
    api = peer(release, "api")
    assert may_reach(policies(release), api, Peer(address="198.51.100.9"), 443)
    assert not may_reach(policies(release), api, FOREIGN["the internet"], 443)


EXTERNAL = {
    "database": {"external": {"enabled": True, "host": "db.example.com", "port": 6432}},
    "existingSecret": "marquee-secrets",
}


def test_an_external_database_may_be_reached_at_its_port_and_by_who_needs_it() -> None:
    release = render(EXTERNAL)
    for name, may in (("api", True), ("setup", True), ("pipeline", True), ("test", False)):
        assert may_reach(policies(release), peer(release, name), FOREIGN["the internet"], 6432) is may
        assert not may_reach(policies(release), peer(release, name), FOREIGN["the internet"], 443)


def test_an_external_database_can_be_named_by_its_addresses() -> None:
    named = {"networkPolicy": {"database": [{"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.9.0/24"]}}]}}
    release = render(merged(EXTERNAL, named))
    api = peer(release, "api")
    reached = [
        may_reach(policies(release), api, Peer(address=one), 6432)
        for one in ("10.1.2.3", "10.1.9.3", "10.2.0.1")
    ]
    assert reached == [True, False, False]


@pytest.mark.parametrize("given", [{}, FULL, EXTERNAL, {"backup": {"enabled": False}}])
def test_every_policy_holds_somebody(given: Object) -> None:
    """None is left behind by what is switched off."""
    release = render(given)
    pods = [PIPELINE, *(pod.labels for pod in release.pods)]
    for policy in policies(release):
        assert any(selects(policy["spec"]["podSelector"], labels) for labels in pods), title(policy)


def test_without_the_policies_a_stranger_would_get_in() -> None:
    """What the evaluator says is not always no."""
    release = copy.deepcopy(render(FULL))
    stranger, postgres = FOREIGN["a stranger"], peer(release, "postgres")
    assert may_reach([], stranger, postgres, POSTGRES)
    opened = policies(release)
    opened[0]["spec"] = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    assert may_reach(opened, stranger, postgres, POSTGRES)
