"""The chart's variables are settings of the code, and each setting of the API is a value or is fixed."""

import re
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from recommender import settings as core
from tests.charts.cluster import held
from tests.charts.rendering import Object, Pod, Release, merged, render, values, values_files

FIXED = {
    "HOST": "a pod is reached from outside of it",
    "PORT": "the Service says where; nobody sees this one",
    "DATABASE_URL": "made of the values of database",
    "MODELS_URL": "made of objectStorage.models",
    "MODEL_CACHE": "the folder that the pod mounts for temporary files",
    "LOG_FORMAT": "what collects the logs of a cluster reads JSON",
    "TRUSTED_PROXIES": "a list there, one string here",
    "DATABASE_LIMIT": "made of postgres.size, or database.external.size",
    "OPS": "on where the Service is of type ClusterIP; api.extraEnv can switch it off",
    "TOMBSTONE_KEY": "a key of the Secret",
    "JWT_KEYS": "a key of the Secret, whose ids are api.jwtKeyIds",
    "REGISTRATION_KEY": "a key of the Secret",
}
BY_VALUE: dict[str, tuple[str, object, str]] = {
    "TOKEN_MINUTES": ("tokenMinutes", 30, "30"),
    "REGISTRATION": ("registration", "open", "open"),
    "DRAIN_S": ("drainSeconds", 20, "20"),
    "REQUEST_LOG": ("requestLog", "all", "all"),
    "SLOW_MS": ("slowMilliseconds", 500, "500"),
    "DOCS": ("docs", True, "true"),
    "TRUSTED_PROXIES": ("trustedProxies", ["10.0.0.0/8", "fd00::/8"], "10.0.0.0/8,fd00::/8"),
    "TOKEN_RATE": ("tokenRate", 20, "20"),
    "CREATE_RATE": ("createRate", 2, "2"),
    "CLIENT_RATE": ("clientRate", 100, "100"),
    "BODY_LIMIT": ("bodyLimit", 2_000_000, "2000000"),
    "DB_POOL": ("dbPool", 12, "12"),
    "DB_TIMEOUT_S": ("dbTimeoutSeconds", 2.5, "2.5"),
}
EXTERNAL: Object = {
    "existingSecret": "mine",
    "database": {"external": {"enabled": True, "host": "db.example.com", "sslMode": "require"}},
}
LIBRARIES = re.compile(r"PG[A-Z]+|AWS_[A-Z_]+|TMPDIR|HOME|OMP_NUM_THREADS|OPENBLAS_NUM_THREADS")
OF_A_COMMAND = {"BACKUP", "REGISTRATION_KEY", "VERB"}


def groups() -> list[type[BaseSettings]]:
    found = [one for one in vars(core).values() if isinstance(one, type) and issubclass(one, core.Refusing)]
    return [ApiSettings, *found]


def known() -> set[str]:
    return {name.upper() for group in groups() for name in group.model_fields} | OF_A_COMMAND


def environment(release: Release, pod: Pod, container: Object) -> dict[str, str]:
    """What a container finds: of ConfigMaps, of the Secret that the chart makes, and as written."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= release.one("ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", ()):
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = held(release)[source["key"]] if source else variable["value"]
    return found


def of_our_image(release: Release) -> Iterator[tuple[Pod, Object]]:
    for pod in release.pods:
        yield from (
            (pod, one)
            for one in pod.containers
            if "postgres" not in one["image"] and "pgvector" not in one["image"]
        )


def unknown(release: Release) -> set[str]:
    names = {
        name for pod, container in of_our_image(release) for name in variable_names(release, container)
    } | set(release.one("ConfigMap", "marquee-pipeline")["data"])
    return {name for name in names - known() if not LIBRARIES.fullmatch(name)}


def variable_names(release: Release, container: Object) -> set[str]:
    maps = [release.one("ConfigMap", one["configMapRef"]["name"]) for one in container.get("envFrom", ())]
    return {name for one in maps for name in one["data"]} | {one["name"] for one in container.get("env", ())}


@pytest.mark.parametrize("case", sorted(values_files()))
def test_every_variable_is_a_setting_of_the_code(case: str) -> None:
    release = render(merged(values(case), {"api": {"extraEnv": []}}))
    assert unknown(release) == set()


def test_a_misspelt_variable_is_seen() -> None:
    assert unknown(render({"api": {"extraEnv": [{"name": "TOKEN_MINUTE", "value": "5"}]}})) == {
        "TOKEN_MINUTE"
    }


def test_every_setting_of_the_api_is_a_value_or_is_fixed_with_a_reason() -> None:
    settings = {name.upper() for name in ApiSettings.model_fields}
    assert settings == set(BY_VALUE) | set(FIXED)


def api_finds(given: Object) -> dict[str, str]:
    release = render(given)
    pod = release.of("api")[0]
    return environment(release, pod, pod.containers[0])


@pytest.mark.parametrize("name", BY_VALUE)
def test_a_value_arrives_as_its_setting(name: str) -> None:
    key, value, told = BY_VALUE[name]
    assert api_finds({"api": {key: value}})[name] == told


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({}, 20 * 2**30),
        ({"postgres": {"size": "500Mi"}}, 500 * 2**20),
        (EXTERNAL, None),
        (merged(EXTERNAL, {"database": {"external": {"size": "1Ti"}}}), 2**40),
    ],
)
def test_the_api_knows_how_large_its_database_may_grow(given: Object, limit: int | None) -> None:
    """An external one has the size that somebody names, or none."""
    said = environment_of_the_config(given).get("DATABASE_LIMIT")
    field = TypeAdapter(ApiSettings.__annotations__["database_limit"])
    assert (said and field.validate_python(said)) == limit


def environment_of_the_config(given: Object) -> dict[str, str]:
    return dict(render(given).one("ConfigMap", "marquee-api")["data"])


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "api": {
                "registration": "open",
                "docs": True,
                "trustedProxies": ["10.0.0.0/8"],
                "bodyLimit": 5_000_000,
            }
        },
        {"api": {"jwtKeyIds": ["k1", "k2", "2026-11"], "registration": "closed", "dbTimeoutSeconds": 0.5}},
        {"objectStorage": {"models": "s3://films/models"}},
    ],
)
def test_the_api_starts_with_what_the_chart_gives_it(given: Object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = api_finds(given)
    for name in {name.upper() for name in ApiSettings.model_fields}:
        monkeypatch.delenv(name, raising=False)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    settings = ApiSettings.read()
    assert settings.host == "0.0.0.0"  # noqa: S104 inside a pod
    assert list(settings.keys) == given.get("api", {}).get("jwtKeyIds", ["k1"])
    assert "@marquee-postgres:5432/marquee" in settings.database_url


def test_the_chart_and_the_code_have_the_same_defaults() -> None:
    """A default that differs is told by a sentence of values.yaml: registration, docs and drainSeconds."""
    found = api_finds({})
    same = set(BY_VALUE) - {"REGISTRATION", "DOCS", "DRAIN_S"}
    defaults = {name: ApiSettings.model_fields[name.lower()].default for name in same}
    assert {name: found[name] for name in same} == {name: str(default) for name, default in defaults.items()}


def test_the_roles_get_every_password_that_the_code_knows() -> None:
    release = render({"airflow": {"enabled": True}})
    container = release.of("setup")[0].containers[0]
    wanted = {name.upper() for name in core.RolePasswords.model_fields}
    assert container["name"] == "roles"
    assert wanted <= variable_names(release, container)


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_the_page_for_operators_is_off_where_strangers_may_look_like_neighbours(kind: str) -> None:
    config = render({"api": {"service": {"type": kind}}}).one("ConfigMap", "marquee-api")["data"]
    assert config["OPS"] == ("true" if kind == "ClusterIP" else "false")
