"""What cannot work is refused before anything is changed, and the sentence names the key and the way out."""

import pytest
from helm_python import HelmRenderError, HelmValuesError

from tests.charts.rendering import Object, load, merged, render

EXTERNAL: Object = {
    "database": {"external": {"enabled": True, "host": "db.example.com"}},
    "existingSecret": "marquee-secrets",
}
BUCKET: Object = {"objectStorage": {"models": "s3://films/models"}}
GUARDS: list[tuple[Object, Object, list[str]]] = [
    (
        {"api": {"replicas": 4}},
        {"api": {"replicas": 3}},
        ["ReadWriteOnce", "ReadWriteMany", "objectStorage.models", "persistence.replicasOnOneNode"],
    ),
    ({"api": {"replicas": 4}}, merged({"api": {"replicas": 4}}, BUCKET), ["ReadWriteOnce"]),
    (
        {"api": {"replicas": 4}},
        {"api": {"replicas": 4}, "persistence": {"accessMode": "ReadWriteMany"}},
        ["ReadWriteOnce"],
    ),
    (
        {"api": {"replicas": 4}},
        {"api": {"replicas": 4}, "persistence": {"replicasOnOneNode": 4}},
        ["persistence.replicasOnOneNode"],
    ),
    (
        {"api": {"autoscaling": {"enabled": True, "maxReplicas": 4}}},
        {"api": {"autoscaling": {"enabled": True, "maxReplicas": 3}}},
        ["4 API pods", "ReadWriteOnce"],
    ),
    (
        {"api": {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 2}}},
        {"api": {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3}}},
        ["api.autoscaling.minReplicas", "maxReplicas"],
    ),
    (
        {"ingress": {"enabled": True}},
        {"ingress": {"enabled": True, "hosts": ["marquee.example.com"]}},
        ["ingress.hosts", "marquee.example.com"],
    ),
    (
        merged(EXTERNAL, {"database": {"external": {"host": ""}}}),
        EXTERNAL,
        ["database.external.host"],
    ),
    (merged(EXTERNAL, {"existingSecret": ""}), EXTERNAL, ["existingSecret", "README"]),
    (
        {"api": {"dbPool": 60}},
        {"api": {"dbPool": 40}},
        ["postgres.maxConnections", "api.dbPool", "60"],
    ),
    (
        merged(EXTERNAL, {"api": {"dbPool": 25}}),
        merged(EXTERNAL, {"api": {"dbPool": 25}, "database": {"external": {"maxConnections": 125}}}),
        ["database.external.maxConnections", "api.dbPool"],
    ),
    (
        {"simulator": {"enabled": True}, "objectStorage": {"data": "s3://films/data"}},
        {"simulator": {"enabled": True}},
        ["simulator.enabled", "objectStorage.data"],
    ),
]
WRONG: list[tuple[Object, str]] = [
    ({"replicas": 2}, "replicas"),
    ({"api": {"replica": 2}}, "replica"),
    ({"api": {"replicas": "two"}}, "/api/replicas"),
    ({"api": {"replicas": -1}}, "/api/replicas"),
    ({"api": {"registration": "sometimes"}}, "/api/registration"),
    ({"api": {"jwtKeyIds": []}}, "/api/jwtKeyIds"),
    ({"api": {"jwtKeyIds": ["k1", "k1"]}}, "/api/jwtKeyIds"),
    ({"api": {"jwtKeyIds": ["a:b"]}}, "/api/jwtKeyIds"),
    ({"api": {"docs": "yes"}}, "/api/docs"),
    ({"api": {"drainSeconds": "10s"}}, "/api/drainSeconds"),
    ({"api": {"autoscaling": {"cpu": 70}}}, "cpu"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"digest": "abc"}}, "/image/digest"),
    ({"ingress": {"hosts": "marquee.example.com"}}, "/ingress/hosts"),
    ({"database": {"external": {"sslMode": "maybe"}}}, "/database/external/sslMode"),
    ({"database": {"external": {"port": 0}}}, "/database/external/port"),
    ({"database": {"external": {"password": "x"}}}, "password"),
    ({"postgres": {"password": "x"}}, "password"),
    ({"persistence": {"accessMode": "ReadWriteTwice"}}, "/persistence/accessMode"),
    ({"objectStorage": {"models": "gs://films"}}, "/objectStorage/models"),
    ({"backup": {"keep": 0}}, "/backup/keep"),
    ({"backup": {"schedule": "at night"}}, "/backup/schedule"),
    ({"pipeline": {"rejectLimit": 2}}, "/pipeline/rejectLimit"),
    ({"pipeline": {"learnUsers": 0}}, "/pipeline/learnUsers"),
    ({"airflow": {"serviceAccounts": []}}, "/airflow/serviceAccounts"),
    ({"monitoring": {"interval": 30}}, "/monitoring/interval"),
    ({"monitoring": {"interval": "5m"}}, "/monitoring/interval"),
    ({"networkPolicy": {"dns": "kube-dns"}}, "/networkPolicy/dns"),
    ({"networkPolicy": {"dns": None}}, "dns"),
    ({"networkPolicy": {"dnsPorts": None}}, "dnsPorts"),
    ({"networkPolicy": {"objectStoragePorts": None}}, "objectStoragePorts"),
    ({"fullnameOverride": "x" * 41}, "/fullnameOverride"),
    ({"fullnameOverride": "Marquee_"}, "/fullnameOverride"),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "taken", "words"), GUARDS)
def test_a_guard_says_what_is_wrong_and_lets_its_twin_pass(
    refused: Object, taken: Object, words: list[str]
) -> None:
    with pytest.raises(HelmRenderError) as told:
        render(refused)
    assert [word for word in words if word not in str(told.value)] == []
    assert render(taken).objects


@pytest.mark.parametrize(("given", "key"), WRONG)
def test_the_schema_refuses_what_is_misspelt_and_names_it(given: Object, key: str) -> None:
    with pytest.raises(HelmValuesError) as told:
        load().validate_schema(given)
    assert key in str(told.value)


def test_the_schema_takes_the_defaults_and_keys_that_helm_adds() -> None:
    load().validate_schema({})
    load().validate_schema({"global": {}})
