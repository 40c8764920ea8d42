"""Bearer tokens: who a client is, signed. Keys rotate by id; only HS256 is accepted."""

import secrets
import time
from collections.abc import Mapping

from jose import JWTError, jwt

from recommender.errors import Refused

ALGORITHM, ISSUER, AUDIENCE, LEEWAY_S = "HS256", "marquee", "marquee-api", 5
KNOWN = 1_000  # tokens that are remembered
LONGEST = 1_000  # characters of one; base64 is read leniently, so that a good one can be made longer at will
CLAIMS = ("sub", "iat", "exp", "jti", "iss", "aud")
OPTIONS = {"leeway": LEEWAY_S, **{f"require_{claim}": True for claim in CLAIMS}}


class Tokens:
    def __init__(self, keys: Mapping[str, str], minutes: int) -> None:
        """The first key signs, all verify."""
        self._keys = keys
        self._first = next(iter(keys))
        self._known: dict[str, tuple[int, int]] = {}  # client and expiry of tokens that were verified
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
        """What was signed stays signed, so that a token seen before is only asked for its age."""
        client_id, expiry = self._known.get(token, (0, 0))
        if int(time.time()) - LEEWAY_S > expiry:
            client_id, expiry = self._verified(token)
            self._remember(token, client_id, expiry)
        return client_id

    def _remember(self, token: str, client_id: int, expiry: int) -> None:
        if len(self._known) >= KNOWN:
            self._known.clear()
        if len(token) <= LONGEST:
            self._known[token] = client_id, expiry

    def _verified(self, token: str) -> tuple[int, int]:
        try:
            claims = jwt.decode(token, self._key_of(token), [ALGORITHM], OPTIONS, AUDIENCE, ISSUER)
            return int(claims["sub"]), int(claims["exp"])
        except (JWTError, ValueError) as error:
            raise Refused("The token is not valid, or has expired.") from error

    def _key_of(self, token: str) -> str:
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise JWTError("unknown key")
        return key
