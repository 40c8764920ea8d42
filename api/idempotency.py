"""A request sent again with its `Idempotency-Key` is answered as the first was, for 24 hours.

The key is claimed in the transaction that does the work, so two at once wait for each other.
"""

import hashlib
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel

from api.fields import Text
from api.lanes import Lane
from api.problems import BadField
from recommender.errors import NotFound
from recommender.visits import Visit, admitted, entering

Key = Annotated[
    Text | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key with the same body, within 24 hours, is the same request.",
    ),
]
_CLAIM = """
    INSERT INTO idempotency_keys AS k (client_id, key, request_digest)
    SELECT %s, %s, %s WHERE current_setting('marquee.status') = 'active'
    ON CONFLICT (client_id, key) DO UPDATE
    SET request_digest = excluded.request_digest, response = NULL, user_id = NULL, created_at = now()
    WHERE k.created_at < now() - interval '24 hours'
    RETURNING current_setting('marquee.status') AS status
"""
_FIRST = """
    SELECT current_setting('marquee.status') AS status, k.request_digest, k.response
    FROM (SELECT) one LEFT JOIN idempotency_keys k ON k.client_id = %s AND k.key = %s
"""
_REMEMBER = "UPDATE idempotency_keys SET user_id = %s, response = %s WHERE client_id = %s AND key = %s"


async def first_answer(lane: Lane, client_id: int, key: str, body: BaseModel) -> dict[str, Any] | None:
    """Opens a transaction in the client's scope. None when this request is the first with its key."""
    digest = hashlib.sha256(body.model_dump_json(exclude_defaults=True).encode()).digest()
    entered = Visit("BEGIN").then(entering(client_id))
    claimed = entered.then(Visit(_CLAIM, (client_id, key, digest)))
    if await lane.ask(claimed):
        return None
    rows = await lane.ask(Visit(_FIRST, (client_id, key)))
    admitted(rows)
    if bytes(rows[0].request_digest) != digest:
        raise BadField("Idempotency-Key", "this key was used for another request")
    if rows[0].response is None:
        raise NotFound("The user of this request was deleted.")
    answer: dict[str, Any] = rows[0].response
    return answer


def remembering(client_id: int, key: str, user_id: int | None, answer: bytes) -> Visit:
    """The last of the transaction."""
    return Visit(_REMEMBER, (user_id, answer.decode(), client_id, key)).then(Visit("COMMIT"))
