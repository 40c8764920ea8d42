"""Clients: who may register, with what, and what an operator can do to them."""

import json
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from api.passwords import weakness
from recommender import accounts
from recommender.errors import NotFound
from tests.api.conftest import PASSWORD, Service

NEW = {
    "username": "northflix",
    "name": "Northflix",
    "email": "ops@northflix.example.com",
    "password": PASSWORD,
}


@pytest.fixture(scope="module")
def owner(service: Service) -> Iterator[Engine]:
    engine = create_engine(service.urls.owner)
    yield engine
    engine.dispose()


def test_a_client_registers_signs_in_and_reads_itself(service: Service) -> None:
    new = service.register()
    me = service.signed(service.token(new["username"])).get("/client").json()
    assert (me["username"], me["name"]) == (new["username"], new["name"])


def test_a_username_is_the_same_in_any_case(service: Service) -> None:
    answer = service.http.post(
        "/create-client", json=NEW | {"username": "SouthFlix", "email": "S@Example.com"}
    )
    assert answer.status_code == 201
    assert answer.json()["username"] == "southflix"
    assert service.token("SOUTHFLIX")


def test_taken_is_said_in_the_same_words_for_name_and_address(service: Service) -> None:
    new = service.register()
    name_taken = new | {"username": new["username"].upper(), "email": "another@example.com"}
    address_taken = new | {"username": "another", "email": new["email"].upper()}
    answers = [service.http.post("/create-client", json=body) for body in (name_taken, address_taken)]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "%%"),
        ("username", "a name with spaces"),
        ("username", "n\x00rthflix"),
        ("username", "x" * 51),
        ("name", ""),
        ("name", "North\x00flix"),
        ("name", "\ud800"),
        ("email", "nobody"),
        ("email", "no body@example.com"),
        ("email", f"{'x' * 250}@example.com"),
        ("password", "short"),
        ("password", "x7" * 65),
        ("password", "password1234"),
        ("password", "Northflix for ever"),
        ("password", 123456789012),
        ("nickname", "north"),
    ],
)
def test_a_bad_field_is_named_and_its_value_is_not_repeated(
    service: Service, field: str, value: object
) -> None:
    body = json.dumps(NEW | {field: value})  # ASCII, because UTF-8 has no half surrogate pairs
    answer = service.http.post("/create-client", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    if value:
        assert str(value) not in answer.text


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1qaz2wsx3edc", "commonest"),
        ("PASSWORD1234", "commonest"),
        ("aabbaabbabab", "different characters"),
        ("hunter2hunter2", "repeats"),
        ("abcdefabcdefabc", "repeats"),
        ("my northflix pass", "username"),
    ],
)
def test_what_is_guessed_first_is_weak(password: str, reason: str) -> None:
    assert reason in (weakness(password, "northflix") or "")


@pytest.mark.parametrize("password", [PASSWORD, "hunter2hunter3", "twelve chars", "ÄÖÜß und zwölf"])
def test_what_is_not_guessed_first_is_accepted(password: str) -> None:
    assert weakness(password, "northflix") is None


def test_registration_is_closed_unless_it_is_opened(serve: Callable[..., Service]) -> None:
    service = serve(REGISTRATION="")
    assert service.http.post("/create-client", json=NEW).status_code == 403


def test_registration_by_key_wants_the_key(serve: Callable[..., Service]) -> None:
    service = serve(REGISTRATION="key", REGISTRATION_KEY="Xw3Kq9Tz5Lm2Rv8P")
    assert service.http.post("/create-client", json=NEW).status_code == 403
    for key, status in (("wrong", 403), ("Xw3Kq9Tz5Lm2Rv8P", 201)):
        answer = service.http.post("/create-client", json=NEW, headers={"X-Registration-Key": key})
        assert answer.status_code == status


def test_a_disabled_clients_token_stops_at_once_and_works_again_when_enabled(
    service: Service, owner: Engine
) -> None:
    username = service.register()["username"]
    client = service.signed(service.token(username))
    seen = [client.get("/client").status_code]
    for status in ("disabled", "active"):
        with owner.begin() as connection:
            accounts.set_status(connection, username, status)
        seen.append(client.get("/client").status_code)
    assert seen == [200, 401, 200]


def test_a_new_password_replaces_the_old(service: Service, owner: Engine) -> None:
    username = service.register()["username"]
    with owner.begin() as connection:
        accounts.set_password(connection, username, accounts.hash_password("another good password"))
    old = service.http.post("/token", data={"username": username, "password": PASSWORD})
    assert old.status_code == 401
    assert service.token(username, "another good password")


def test_a_deleted_client_is_gone_with_its_users(service: Service, owner: Engine) -> None:
    username = service.register()["username"]
    client = service.signed(service.token(username))
    client_id = client.get("/client").json()["client_id"]
    admin = create_engine(service.urls.admin)
    with admin.begin() as connection:
        connection.execute(text("INSERT INTO users (client_id) VALUES (:id)"), {"id": client_id})
    with owner.begin() as connection:
        accounts.delete(connection, username)
    with admin.begin() as connection:
        users = connection.execute(
            text("SELECT count(*) FROM users WHERE client_id = :id"), {"id": client_id}
        )
        assert users.scalar_one() == 0
    admin.dispose()
    assert client.get("/client").status_code == 401


def test_an_operator_sees_every_client_and_its_status(service: Service, owner: Engine) -> None:
    new = service.register()
    with owner.begin() as connection:
        accounts.set_status(connection, new["username"], "disabled")
        listed = {account.username: account for account in accounts.listed(connection)}
    assert listed[new["username"]].email == new["email"]
    assert listed[new["username"]].status == "disabled"


def test_changing_a_client_that_does_not_exist_says_so(owner: Engine) -> None:
    with owner.begin() as connection, pytest.raises(NotFound, match="no client nobody"):
        accounts.delete(connection, "nobody")
