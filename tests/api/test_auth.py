"""Tokens: who gets one, and which are believed."""

import asyncio
import base64
import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import HTTPException
from jose import jwt
from sqlalchemy import create_engine

from api.passwords import Passwords
from api.tokens import AUDIENCE, ISSUER
from recommender import accounts
from tests.api.conftest import KEYS, PASSWORD, Service

SECRETS = dict(pair.split(":") for pair in KEYS.split(","))


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"sub": "1", "iat": now, "exp": now + 60, "jti": "x", "iss": ISSUER, "aud": AUDIENCE}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(
    payload: Mapping[str, Any], kid: Any = "now", secret: str = SECRETS["now"], algorithm: str = "HS256"
) -> str:
    return jwt.encode(dict(payload), secret, algorithm, headers={"kid": kid})


def unsigned(payload: Mapping[str, Any]) -> str:
    header = {"alg": "none", "kid": "now"}
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload)
    )
    return ".".join([*parts, ""])


@pytest.fixture(scope="module")
def client_id(service: Service) -> str:
    return str(service.client().get("/client").json()["client_id"])


def test_a_token_is_a_bearer_token_that_expires(service: Service) -> None:
    form = {"username": service.register()["username"], "password": PASSWORD}
    answer = service.http.post("/token", data=form).json()
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)
    told = jwt.get_unverified_claims(answer["access_token"])
    assert told["exp"] - told["iat"] == 3600


@pytest.mark.parametrize("kid", SECRETS)
def test_a_token_of_any_listed_key_is_believed(service: Service, client_id: str, kid: str) -> None:
    client = service.signed(signed(claims(sub=client_id), kid, SECRETS[kid]))
    assert client.get("/client").status_code == 200


def test_a_clock_that_is_seconds_behind_is_forgiven(service: Service, client_id: str) -> None:
    client = service.signed(signed(claims(sub=client_id, exp=int(time.time()) - 1)))
    assert client.get("/client").status_code == 200


FORGED = {
    "no token": "x",
    "dots": "..",
    "no JSON": "bm8.bm8.bm8",
    "unsigned": unsigned(claims()),
    "another algorithm": signed(claims(), algorithm="HS512"),
    "another secret": signed(claims(), secret="x" * 40),
    "one key's id, another's secret": signed(claims(), "old"),
    "unknown key": signed(claims(), "gone"),
    "a key id that is no text": signed(claims(), ["now"]),
    "expired": signed(claims(exp=int(time.time()) - 60)),
    "another issuer": signed(claims(iss="somebody")),
    "another audience": signed(claims(aud="something")),
    "no number": signed(claims(sub="one")),
    "a client that never was": signed(claims(sub=str(2**63 - 1))),
    "a number no client has": signed(claims(sub="0")),
    **{
        f"without {name}": signed(claims(**{name: None}))
        for name in ("sub", "iat", "exp", "jti", "iss", "aud")
    },
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(service: Service, token: str) -> None:
    answer = service.http.get("/client", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", [None, "Basic eDp5", "Bearer", "bearer"])
def test_no_bearer_token_is_refused(service: Service, header: str | None) -> None:
    answer = service.http.get("/client", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401


def test_a_refused_sign_in_does_not_say_why(service: Service) -> None:
    disabled = service.register()["username"]
    owner = create_engine(service.urls.owner)
    with owner.begin() as connection:
        accounts.set_status(connection, disabled, "disabled")
    owner.dispose()
    forms = [
        {"username": disabled, "password": PASSWORD},
        {"username": disabled, "password": "not this one"},
        {"username": "nobody at all", "password": PASSWORD},
    ]
    answers = [service.http.post("/token", data=form) for form in forms]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


def test_an_unknown_name_takes_as_long_as_a_wrong_password(service: Service) -> None:
    known = service.register()["username"]
    took = {
        name: statistics.median(seconds(service, name) for _ in range(5)) for name in (known, "nobody-here")
    }
    assert 0.5 < took["nobody-here"] / took[known] < 2


def seconds(service: Service, username: str) -> float:
    start = time.perf_counter()
    service.http.post("/token", data={"username": username, "password": "not this one"})
    return time.perf_counter() - start


def test_who_waits_too_long_for_a_password_check_is_sent_away() -> None:
    async def three_at_once() -> list[object]:
        passwords = Passwords(patience_s=0.001)
        return await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(3)), return_exceptions=True)

    first, second, third = asyncio.run(three_at_once())
    assert isinstance(first, str)
    assert isinstance(second, str)
    assert isinstance(third, HTTPException)
    assert third.status_code == 503


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"password": PASSWORD}, "username"),
        ({"username": "north\x00", "password": PASSWORD}, "username"),
        ({"username": "north", "password": PASSWORD, "grant_type": "magic"}, "grant_type"),
    ],
)
def test_a_form_that_breaks_a_rule_names_the_field(
    service: Service, form: dict[str, str], field: str
) -> None:
    answer = service.http.post("/token", data=form)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert PASSWORD not in answer.text
