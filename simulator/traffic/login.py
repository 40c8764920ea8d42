"""A client of the API, whose token runs out now and then."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from simulator.traffic.visit import OK, Reply

UNAUTHORIZED = 401
Post = Callable[[str, Mapping[str, str]], Reply]  # path and form


@dataclass
class Login:
    username: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)
    signed_in: int = 0  # how often
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def random(cls) -> "Login":
        return cls(f"traffic-{secrets.token_hex(5)}", secrets.token_urlsafe(24))

    def sign_in(self, post: Post) -> bool:
        reply = post("/token", {"username": self.username, "password": self.password})
        if reply.status == OK:
            self.token, self.signed_in = str(reply.body["access_token"]), self.signed_in + 1
        return reply.status == OK

    def sent(self, send: Callable[[str], Reply], post: Post) -> Reply:
        """`send` is given the token; one that has run out is replaced, and it is sent once more."""
        used = self.token
        reply = send(used) if used else Reply(UNAUTHORIZED, {})
        if reply.status != UNAUTHORIZED:
            return reply
        with self._lock:
            fresh = self.token != used or self.sign_in(post)  # another viewer may have done it meanwhile
        return send(self.token) if fresh else reply
