"""The Secret is made once, kept by every upgrade, and its keys of tokens rotate without a token refused."""

import re
from itertools import pairwise

import pytest

from recommender.settings import is_guessable
from tests.charts.cluster import held, upgraded
from tests.charts.rendering import merged, render, values

KEYS = {
    f"{role}_PASSWORD" for role in ("POSTGRES", "OWNER", "API", "PIPELINE", "ANALYST", "BACKUP", "AIRFLOW")
}
ALL_KEYS = KEYS | {"JWT_KEYS", "TOMBSTONE_KEY", "REGISTRATION_KEY"}


def test_a_first_secret_has_all_keys_and_no_two_alike() -> None:
    made = held(render())
    assert set(made) == ALL_KEYS
    assert len(set(made.values())) == len(ALL_KEYS)
    assert all(len(value) >= 32 and not is_guessable(value) for value in made.values())
    other = held(render({"api": {"clientRate": 199}}))
    assert not set(made.values()) & set(other.values())


def test_an_upgrade_keeps_what_the_secret_holds() -> None:
    old = held(render())
    assert held(upgraded({"marquee": old}, {"api": {"tokenMinutes": 30}})) == old


def test_an_upgrade_adds_what_is_missing_and_keeps_the_rest() -> None:
    old = {
        key: value
        for key, value in held(render()).items()
        if key not in ("BACKUP_PASSWORD", "AIRFLOW_PASSWORD")
    }
    new = held(upgraded({"marquee": old}))
    assert set(new) == ALL_KEYS
    assert {key: new[key] for key in old} == old
    assert len(new["BACKUP_PASSWORD"]) >= 32


def test_a_secret_of_another_name_is_not_looked_at() -> None:
    old = held(render())
    assert not set(held(upgraded({"films": old})).values()) & set(old.values())


def test_keys_of_tokens_rotate_so_that_two_neighbours_always_share_one() -> None:
    """[k1], [k1, k2], [k2, k1], [k2]: old and new pods, side by side, know what the other signs with."""
    now = held(render())
    steps = [now["JWT_KEYS"]]
    for ids in (["k1", "k2"], ["k2", "k1"], ["k2"]):
        now = held(upgraded({"marquee": now}, {"api": {"jwtKeyIds": ids}}))
        steps.append(now["JWT_KEYS"])
    keys = [dict(pair.split(":", 1) for pair in step.split(",")) for step in steps]
    assert [list(one) for one in keys] == [["k1"], ["k1", "k2"], ["k2", "k1"], ["k2"]]
    assert (
        len({one["k1"] for one in keys if "k1" in one})
        == len({one["k2"] for one in keys if "k2" in one})
        == 1
    )
    for before, after in pairwise(keys[1:]):
        assert next(iter(before)) in after
        assert next(iter(after)) in before


def test_an_id_that_comes_back_gets_a_new_key() -> None:
    first = held(render())
    second = held(upgraded({"marquee": first}, {"api": {"jwtKeyIds": ["k2"]}}))
    third = held(upgraded({"marquee": second}, {"api": {"jwtKeyIds": ["k1"]}}))
    assert third["JWT_KEYS"].startswith("k1:")
    assert third["JWT_KEYS"] != first["JWT_KEYS"]


@pytest.mark.parametrize("damaged", ["", ":", "k1", "k1:", ",,"])
def test_a_secret_that_was_damaged_by_hand_gets_a_whole_key_again(damaged: str) -> None:
    old = held(render()) | {"JWT_KEYS": damaged}
    assert re.fullmatch(r"k1:\w{32,}", held(upgraded({"marquee": old}))["JWT_KEYS"])


def test_a_secret_of_yours_is_neither_read_nor_written() -> None:
    release = upgraded(
        {"mine": {"API_PASSWORD": "x" * 40}}, merged(values("default"), {"existingSecret": "mine"})
    )
    assert release.all("Secret") == []
    variables = [
        one for pod in release.pods for container in pod.containers for one in container.get("env", ())
    ]
    named = {one["valueFrom"]["secretKeyRef"]["name"] for one in variables if "valueFrom" in one}
    assert named == {"mine"}
