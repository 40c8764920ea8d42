"""The Ingress serves the public routes of the API's contract and no other path."""

import json
import re

import pytest

from recommender.local.places import PROJECT
from tests.charts.rendering import Object, merged, render

HOSTS = ["marquee.example.com", "films.example.com"]
VALUES: Object = {"ingress": {"enabled": True, "hosts": HOSTS}}
PRIVATE = ("/metrics", "/health", "/docs", "/openapi.json", "/ops", "/redoc")
NEVER = [
    *PRIVATE, "/", "/metrics/", "/health/live", "/health/ready", "/docs/oauth2-redirect", "/ops/reload",
    "/static-offline-docs/x", "/%6Detrics", "//metrics", "/moviesx", "/admin",
]  # fmt: skip


def contract() -> list[str]:
    return list(json.loads((PROJECT / "api" / "openapi.json").read_text())["paths"])


def public() -> list[str]:
    return [path for path in contract() if not path.startswith(PRIVATE)]


def example(path: str) -> str:
    return re.sub(r"{\w+}", "7", path)


def ingress(*more: Object) -> Object:
    return render(merged(VALUES, *more)).one("Ingress", "marquee-api")


def routes(thing: Object, host: str) -> list[Object]:
    return [path for rule in thing["spec"]["rules"] if rule["host"] == host for path in rule["http"]["paths"]]


def matches(rule: Object, path: str) -> bool:
    """As Kubernetes defines Exact and Prefix: a prefix ends at a slash."""
    wanted = rule["path"]
    if rule["pathType"] == "Exact":
        return bool(path == wanted)
    assert rule["pathType"] == "Prefix", rule
    parts = wanted.strip("/").split("/") if wanted.strip("/") else []
    return path.strip("/").split("/")[: len(parts)] == parts


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", public())
def test_a_public_route_is_served_at_every_host(host: str, path: str) -> None:
    hits = [rule for rule in routes(ingress(), host) if matches(rule, example(path))]
    assert hits
    wanted = {"service": {"name": "marquee-api", "port": {"name": "http"}}}
    assert [rule["backend"] for rule in hits] == [wanted] * len(hits)


@pytest.mark.parametrize("path", NEVER)
def test_any_other_path_is_not(path: str) -> None:
    assert [rule["path"] for rule in routes(ingress(), HOSTS[0]) if matches(rule, path)] == []


def test_no_rule_is_there_for_nothing() -> None:
    unused = [
        rule["path"]
        for rule in routes(ingress(), HOSTS[0])
        if not any(matches(rule, example(p)) for p in public())
    ]
    assert unused == []


def test_a_rule_for_everything_would_be_seen() -> None:
    open_door = {"path": "/", "pathType": "Prefix"}
    assert all(matches(open_door, path) for path in NEVER)


def test_what_no_rule_matches_goes_nowhere_else() -> None:
    assert "defaultBackend" not in ingress()["spec"]


def test_every_rule_names_a_host() -> None:
    assert {rule["host"] for rule in ingress()["spec"]["rules"]} == set(HOSTS)


def test_tls_is_for_all_hosts_with_the_named_secret() -> None:
    assert "tls" not in ingress()["spec"]
    secured = ingress({"ingress": {"tlsSecret": "marquee-tls"}})
    assert secured["spec"]["tls"] == [{"hosts": HOSTS, "secretName": "marquee-tls"}]


def test_the_class_is_the_clusters_own_unless_named() -> None:
    assert "ingressClassName" not in ingress()["spec"]
    assert ingress({"ingress": {"className": "nginx"}})["spec"]["ingressClassName"] == "nginx"
