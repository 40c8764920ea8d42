"""What a deleted user leaves behind: a keyed hash that recognises the user and tells nobody who it was."""

import hashlib
import hmac


def external_digest(tombstone_key: str, client_id: int, external_id: str) -> bytes:
    message = f"{client_id}:external:{external_id}"
    return hmac.digest(tombstone_key.encode(), message.encode(), hashlib.sha256)


def user_digest(tombstone_key: str, client_id: int, user_id: int) -> bytes:
    """For a user without a name, whom only a restored backup could bring back."""
    message = f"{client_id}:user:{user_id}"
    return hmac.digest(tombstone_key.encode(), message.encode(), hashlib.sha256)
