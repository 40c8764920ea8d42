"""The API's settings: what is missing, weak or well known refuses to start, in one sentence."""

import subprocess
import sys
from ipaddress import ip_network

import pytest

from api.settings import ApiSettings
from recommender.errors import BadSettings
from recommender.roles import AIRFLOW, ANALYST, BACKUP, ROLES
from recommender.settings import RolePasswords

SECRET = "Zk3u8Qw1pLr6Tz0vXy5bNc7mGh2jDf9s"
GOOD = {
    "DATABASE_URL": "postgresql+psycopg2://somebody:hunter@127.0.0.1:1/none",
    "TOMBSTONE_KEY": "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u",
    "JWT_KEYS": f"now:{SECRET}",
}


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in ApiSettings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_KEYS", ""),
        ("JWT_KEYS", SECRET),
        ("JWT_KEYS", f":{SECRET}"),
        ("JWT_KEYS", f"now:{SECRET[:31]}"),
        ("JWT_KEYS", f"now:{SECRET},now:{SECRET[::-1]}"),
        ("JWT_KEYS", f"now:{SECRET},"),
        ("JWT_KEYS", "now:changeme-changeme-changeme-changeme"),
        ("JWT_KEYS", "now:secret-secret-secret-secret-secret-"),
        ("JWT_KEYS", "now:" + "ab" * 20),
        ("REGISTRATION", "ajar"),
        ("TRUSTED_PROXIES", "the load balancer"),
        ("PORT", "80000"),
        ("DB_POOL", "0"),
        ("DATABASE_LIMIT", "much"),
        ("DATABASE_LIMIT", "0"),
        ("DATABASE_LIMIT", "20GiB"),
        ("DRAIN_S", "-1"),
        ("DRAIN_S", "301"),
        ("TOMBSTONE_KEY", "short"),
        ("TOMBSTONE_KEY", "changeme-changeme-changeme-changeme"),
        ("TOMBSTONE_KEY", "k" * 32),
    ],
)
def test_a_bad_setting_is_named_and_its_value_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=f"^{name}: ") as refused:
        ApiSettings.read()
    assert SECRET[:31] not in str(refused.value)


@pytest.mark.parametrize("key", [None, "short", "changeme changeme"])
def test_registration_by_key_wants_a_key(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.setenv("REGISTRATION", "key")
    if key:
        monkeypatch.setenv("REGISTRATION_KEY", key)
    with pytest.raises(BadSettings, match="REGISTRATION_KEY"):
        ApiSettings.read()


def test_the_first_key_signs_and_the_rest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_KEYS", f"b:{SECRET}, a:{SECRET[::-1]}")
    assert list(ApiSettings.read().keys.items()) == [("b", SECRET), ("a", SECRET[::-1])]


def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,fd00::/8")
    assert ApiSettings.read().proxies == tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")))


@pytest.mark.parametrize(
    ("said", "meant"), [("1000", 1000), ("20Gi", 20 << 30), ("3Ki", 3072), ("5k", 5000), (" 2T ", 2 * 10**12)]
)
def test_a_size_is_read_as_kubernetes_writes_it(
    monkeypatch: pytest.MonkeyPatch, said: str, meant: int
) -> None:
    monkeypatch.setenv("DATABASE_LIMIT", said)
    assert ApiSettings.read().database_limit == meant


def test_printed_settings_show_no_secret() -> None:
    shown = repr(ApiSettings.read())
    for secret in (SECRET, GOOD["TOMBSTONE_KEY"], "somebody", "hunter"):
        assert secret not in shown


def test_printed_passwords_of_roles_are_hidden_and_handed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RolePasswords.model_fields:
        monkeypatch.setenv(name.upper(), SECRET)
    passwords = RolePasswords.read()
    assert SECRET not in repr(passwords)
    assert passwords.by_role() == dict.fromkeys((*ROLES, ANALYST, BACKUP, AIRFLOW), SECRET)


@pytest.mark.parametrize("password", ["short", "changeme-changeme", "abababababababababab"])
def test_a_role_wants_a_password_that_nobody_guesses(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    for name in RolePasswords.model_fields:
        monkeypatch.setenv(name.upper(), SECRET)
    monkeypatch.setenv("API_PASSWORD", password)
    with pytest.raises(BadSettings, match=r"^API_PASSWORD: is not 16 or more random characters"):
        RolePasswords.read()


def test_a_word_within_a_random_key_is_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOMBSTONE_KEY", f"{SECRET[:9]}test{SECRET[9:]}")
    assert ApiSettings.read().tombstone_key.get_secret_value()[9:13] == "test"


def test_every_setting_has_a_sentence() -> None:
    for name, field in ApiSettings.model_fields.items():
        assert (field.description or "").endswith("."), name


def test_a_process_that_cannot_start_says_why_in_one_line_and_ends_with_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "api"],
        env=GOOD | {"JWT_KEYS": "now:short"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("The API cannot start. JWT_KEYS: ")
    assert ended.stderr.count("\n") == 1
