"""Bearer tokens: who a client is, signed. Keys rotate by id; only HS256 is accepted."""

import secrets
import time
from collections.abc import Mapping

from jose import JWTError, jwt

from recommender.errors import Refused

ALGORITHM, ISSUER, AUDIENCE, LEEWAY_S = "HS256", "marquee", "marquee-api", 5
CLAIMS = ("sub", "iat", "exp", "jti", "iss", "aud")
OPTIONS = {"leeway": LEEWAY_S, **{f"require_{claim}": True for claim in CLAIMS}}


class Tokens:
    def __init__(self, keys: Mapping[str, str], minutes: int) -> None:
        """The first key signs, all verify."""
        self._keys = keys
        self._first = next(iter(keys))
        self.lifetime_s = minutes * 60

    def sign(self, client_id: int) -> str:
        now = int(time.time())
        claims = {
            "sub": str(client_id),
            "iat": now,
            "exp": now + self.lifetime_s,
            "jti": secrets.token_urlsafe(12),
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
        return jwt.encode(claims, self._keys[self._first], ALGORITHM, headers={"kid": self._first})

    def client_of(self, token: str) -> int:
        try:
            claims = jwt.decode(token, self._key_of(token), [ALGORITHM], OPTIONS, AUDIENCE, ISSUER)
            return int(claims["sub"])
        except (JWTError, ValueError) as error:
            raise Refused("The token is not valid, or has expired.") from error

    def _key_of(self, token: str) -> str:
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise JWTError("unknown key")
        return key
