"""The request that is being answered, as the log may tell of it, and which requests have a line of their own.

The layers of a request, and the thread of its route, share one `Asked`: each writes down what it knows.
"""

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from starlette.types import Scope

from api.http_metrics import PROBES, method_of

Which = Literal["all", "errors", "none"]
log = logging.getLogger("marquee.requests")


@dataclass(slots=True)
class Asked:
    request_id: str
    began: float = field(default_factory=time.perf_counter)
    status: int | None = None  # once the answer began
    failed: bool = False
    client_id: int | None = None
    recommendation_id: UUID | None = None
    model_version: str | None = None
    source: str | None = None
    lists: int = 0
    give_back: Callable[[], None] | None = None  # the client's turn

    def made(self, recommendation_id: UUID, model_version: str | None, source: str) -> None:
        """A list. Of several only the number is told: the table of what was served has each."""
        self.lists += 1
        alone = self.lists == 1
        self.recommendation_id = recommendation_id if alone else None
        self.source = source if alone else None
        self.model_version = model_version

    def end(self) -> None:
        if self.give_back:
            self.give_back()

    @property
    def ms(self) -> float:
        return round((time.perf_counter() - self.began) * 1000, 1)

    def names(self) -> dict[str, Any]:
        """What every line within the request has."""
        return _known(request_id=self.request_id, client_id=self.client_id)

    def outcome(self) -> dict[str, Any]:
        return _known(
            recommendation_id=self.recommendation_id and str(self.recommendation_id),
            model_version=self.model_version,
            source=self.source,
            lists=self.lists if self.lists > 1 else None,
        )


CURRENT: ContextVar[Asked | None] = ContextVar("asked", default=None)


def asked_now() -> Asked:
    """Outside of a request what is written down is told nowhere."""
    return CURRENT.get() or Asked("")


def place(scope: Scope) -> dict[str, Any]:
    """Method and template: a path has ids, and anybody may invent methods and paths."""
    return _known(method=method_of(scope), route=getattr(scope.get("route"), "path", None))


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


class RequestLog:
    def __init__(self, which: Which, slow_ms: float) -> None:
        self._which, self._slow_ms = which, slow_ms

    def tell(self, scope: Scope, asked: Asked) -> None:
        where, ms = place(scope), asked.ms
        if self._which == "none" or where.get("route") in PROBES:
            return
        if self._which == "all" or asked.failed or (asked.status or 500) >= 500 or ms >= self._slow_ms:
            fields = where | _known(status=asked.status) | {"ms": ms} | asked.outcome()
            log.info("answered", extra={"fields": fields})
