"""Clients: register, sign in, and say who asks."""

import hmac
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Form, Header, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy import Connection, Engine, text

from api.auth import Caller, SignedIn
from api.fields import Body, Text
from api.passwords import LONGEST, SHORTEST, weakness
from api.platform import Here
from api.problems import responses
from recommender import accounts
from recommender.database import client_scope, transaction
from recommender.errors import BadInput, Refused

router = APIRouter(tags=["clients"])


def _email(value: str) -> str:
    try:
        return accounts.new_email(value)
    except BadInput as error:
        raise ValueError(str(error)) from None


class NewClient(Body):
    username: Annotated[str, Field(pattern=accounts.USERNAME), AfterValidator(accounts.folded)]
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    email: Annotated[
        Text,
        Field(max_length=accounts.LONGEST_EMAIL, json_schema_extra={"format": "email"}),
        AfterValidator(_email),
    ]
    password: Annotated[Text, Field(min_length=SHORTEST, max_length=LONGEST)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "username": "northflix",
                    "name": "Northflix",
                    "email": "ops@northflix.example.com",
                    "password": "four words nobody guesses",
                }
            ]
        }
    )

    @field_validator("password")
    @classmethod
    def _strong(cls, value: str, info: ValidationInfo) -> str:
        if weak := weakness(value, info.data.get("username", "")):
            raise ValueError(weak)
        return value


class Registered(BaseModel):
    client_id: int = Field(examples=[1])
    username: str = Field(examples=["northflix"])


class Token(BaseModel):
    access_token: str = Field(examples=["eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"])
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds.", examples=[3600])


class SignIn(BaseModel):
    """The password form of OAuth2."""

    username: Annotated[Text, Field(max_length=200, examples=["northflix"])]
    password: Annotated[Text, Field(max_length=LONGEST, examples=["four words nobody guesses"])]
    grant_type: Annotated[Literal["password"] | None, Field(examples=["password"])] = None


class Me(BaseModel):
    client_id: int = Field(examples=[1])
    username: str = Field(examples=["northflix"])
    name: str = Field(examples=["Northflix"])
    nightly_k: int | None = Field(
        description="How many movies each user's nightly list has; null: none is made.", examples=[20]
    )


async def invited(
    here: Here,
    caller: Caller,
    key: Annotated[
        str, Header(alias="X-Registration-Key", description="Wanted where registration is by key.")
    ] = "",
) -> None:
    here.limits.registrations.take(caller)
    if here.settings.registration == "closed":
        raise HTTPException(403, "Registration is closed here. Ask the operator for an account.")
    wanted = here.settings.registration_key
    if here.settings.registration == "key" and wanted and not _same(key, wanted.get_secret_value()):
        raise HTTPException(403, "Registration wants the operator's key in X-Registration-Key.")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


@router.post(
    "/create-client",
    status_code=201,
    dependencies=[Depends(invited)],
    responses=responses(403, 409, 429, 503),
    summary="Register a client",
)
async def create_client(new: NewClient, here: Here) -> Registered:
    """Register a client: a platform that will own its users. Whether anybody may is the operator's choice."""
    password_hash = await here.passwords.hash(new.password)
    client_id = await to_thread.run_sync(_register, here.engine, new, password_hash)
    return Registered(client_id=client_id, username=new.username)


def _register(engine: Engine, new: NewClient, password_hash: str) -> int:
    with transaction(engine) as connection:
        return accounts.register(connection, new.username, new.name, new.email, password_hash)


@router.post("/token", responses=responses(401, 429, 503), summary="Sign in")
async def token(form: Annotated[SignIn, Form()], here: Here, caller: Caller) -> Token:
    """Sign in with the password form of OAuth2. Send the token as `Authorization: Bearer ...`."""
    username = accounts.folded(form.username)
    here.limits.token_addresses.take(caller)
    here.limits.token_names.take(username)
    account = await to_thread.run_sync(_find, here.engine, username)
    matches = await here.passwords.matches(form.password, account.password_hash if account else None)
    if not (account and matches and account.active):
        raise Refused("The username or the password is wrong.")
    return Token(access_token=here.tokens.sign(account.client_id), expires_in=here.tokens.lifetime_s)


def _find(engine: Engine, username: str) -> accounts.Credentials | None:
    with transaction(engine) as connection:
        return accounts.find(connection, username)


@router.get("/client", summary="Who asks")
def me(client: SignedIn, here: Here) -> Me:
    """Who asks."""
    with client_scope(here.engine, client.client_id) as connection:
        return read_client(connection, client.client_id)


def read_client(connection: Connection, client_id: int) -> Me:
    row = connection.execute(_ME, {"client_id": client_id}).one()
    return Me(client_id=row.client_id, username=row.username, name=row.name, nightly_k=row.nightly_k)


_ME = text("SELECT client_id, username, name, nightly_k FROM clients WHERE client_id = :client_id")
