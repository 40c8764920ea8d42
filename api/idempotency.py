"""A request sent again with its `Idempotency-Key` is answered as the first was, for 24 hours.

The key is claimed in the transaction that does the work, so two at once wait for each other.
"""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy import Connection, text

from api.fields import Text
from api.problems import BadField
from recommender.errors import NotFound

Key = Annotated[
    Text | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key with the same body, within 24 hours, is the same request.",
    ),
]
_CLAIM = text("""
    INSERT INTO idempotency_keys AS k (client_id, key, request_digest) VALUES (:client_id, :key, :digest)
    ON CONFLICT (client_id, key) DO UPDATE
    SET request_digest = excluded.request_digest, response = NULL, user_id = NULL, created_at = now()
    WHERE k.created_at < now() - interval '24 hours'
    RETURNING 1
""")
_FIRST = text(
    "SELECT request_digest, response FROM idempotency_keys WHERE client_id = :client_id AND key = :key"
)
_REMEMBER = text("""
    UPDATE idempotency_keys SET user_id = :user_id, response = CAST(:response AS jsonb)
    WHERE client_id = :client_id AND key = :key
""")


def first_answer(connection: Connection, client_id: int, key: str, body: BaseModel) -> dict[str, Any] | None:
    """None when this request is the first with its key."""
    digest = hashlib.sha256(body.model_dump_json(exclude_defaults=True).encode()).digest()
    asked = {"client_id": client_id, "key": key, "digest": digest}
    if connection.execute(_CLAIM, asked).first():
        return None
    first = connection.execute(_FIRST, asked).one()
    if bytes(first.request_digest) != digest:
        raise BadField("Idempotency-Key", "this key was used for another request")
    if first.response is None:
        raise NotFound("The user of this request was deleted.")
    answer: dict[str, Any] = first.response
    return answer


def remember(connection: Connection, client_id: int, key: str, user_id: int, answer: BaseModel) -> None:
    response = json.dumps(answer.model_dump(mode="json"))
    connection.execute(
        _REMEMBER, {"client_id": client_id, "key": key, "user_id": user_id, "response": response}
    )
