"""Keys of tokens rotate in three steps while replicas of two neighbouring steps answer side by side."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest

from recommender.local.postgres import Server
from tests.api.conftest import KEYS, Service, database_of, serving

K1, K2 = KEYS.split(",")
STEPS = (K1, f"{K1},{K2}", f"{K2},{K1}", K2)


@pytest.fixture(scope="module")
def replicas(
    server: Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    """One process at each step, all of one database."""
    urls, folder = database_of(server, template, "rotation"), tmp_path_factory.mktemp("rotation")
    with ExitStack() as running:
        yield [running.enter_context(serving(urls, folder, {"JWT_KEYS": keys})) for keys in STEPS]


@pytest.fixture(scope="module")
def username(replicas: list[Service]) -> str:
    return replicas[0].register()["username"]


def believes(service: Service, token: str) -> bool:
    answer = service.http.get("/client", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def test_replicas_of_neighbouring_steps_believe_each_others_tokens(
    replicas: list[Service], username: str
) -> None:
    for before, after in pairwise(replicas):
        for issuer in (before, after):
            token = issuer.token(username)
            assert believes(before, token)
            assert believes(after, token)


def test_a_key_that_is_dropped_takes_its_tokens_and_nothing_else(
    replicas: list[Service], username: str
) -> None:
    first, second, third, last = replicas
    of_k1, of_k2 = first.token(username), third.token(username)
    assert [believes(each, of_k1) for each in replicas] == [True, True, True, False]
    assert [believes(each, of_k2) for each in (second, third, last)] == [True, True, True]
    assert believes(last, last.token(username))  # who signs in again is let in


def test_two_steps_at_once_would_not_do(replicas: list[Service], username: str) -> None:
    first, _, third, _ = replicas
    assert not believes(first, third.token(username))
