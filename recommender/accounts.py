"""Clients: register, find, list, disable, delete. Only `register` and `find` are for the API's role."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from email_validator import EmailNotValidError, validate_email
from passlib.context import CryptContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from recommender.errors import BadInput, NotFound, Taken

USERNAME = r"^[A-Za-z0-9._-]{3,50}$"
LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Credentials:
    client_id: int
    password_hash: str
    active: bool


@dataclass(frozen=True, slots=True)
class Account:
    client_id: int
    username: str
    name: str
    email: str
    status: str
    created_at: datetime


def folded(username: str) -> str:
    """A username is the same in any case."""
    return username.casefold()


def new_username(username: str) -> str:
    if not re.fullmatch(USERNAME, username):
        raise BadInput("A username has 3 to 50 letters, digits, dots, - and _.")
    return folded(username)


def new_email(email: str) -> str:
    try:
        return validate_email(email, check_deliverability=False).normalized.casefold()
    except EmailNotValidError:
        raise BadInput("This is not an e-mail address.") from None


@cache
def _argon2() -> CryptContext:
    return CryptContext(schemes=["argon2"])


def hash_password(password: str) -> str:
    return str(_argon2().hash(password))


def password_matches(password: str, password_hash: str) -> bool:
    return bool(_argon2().verify(password, password_hash))


def register(connection: Connection, username: str, name: str, email: str, password_hash: str) -> int:
    """The new client's id. Who is told `Taken` does not learn whether it was the name or the e-mail."""
    row = {
        "username": new_username(username),
        "name": name,
        "email": new_email(email),
        "password_hash": password_hash,
    }
    try:
        return int(connection.execute(_REGISTER, row).scalar_one())
    except IntegrityError as error:
        raise Taken("A client with this username or e-mail exists already.") from error


def find(connection: Connection, username: str) -> Credentials | None:
    row = connection.execute(_FIND, {"username": folded(username)}).one_or_none()
    return Credentials(row.client_id, row.password_hash, row.status == "active") if row else None


def listed(connection: Connection) -> list[Account]:
    return [Account(*row) for row in connection.execute(_LIST)]


def set_status(connection: Connection, username: str, status: str) -> None:
    _change(connection, username, "UPDATE clients SET status = :value WHERE username = :username", status)


def set_password(connection: Connection, username: str, password_hash: str) -> None:
    statement = "UPDATE clients SET password_hash = :value WHERE username = :username"
    _change(connection, username, statement, password_hash)


def delete(connection: Connection, username: str) -> None:
    """With all its users and everything of theirs."""
    _change(connection, username, "DELETE FROM clients WHERE username = :username")


def _change(connection: Connection, username: str, statement: str, value: str | None = None) -> None:
    if not connection.execute(text(statement), {"username": folded(username), "value": value}).rowcount:
        raise NotFound(f"There is no client {username}.")


_REGISTER = text("SELECT register_client(:username, :name, :email, :password_hash)")
_FIND = text("SELECT client_id, password_hash, status FROM client_for_token(:username)")
_LIST = text("SELECT client_id, username, name, email, status, created_at FROM clients ORDER BY client_id")
