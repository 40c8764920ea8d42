"""One value for each database role: its URL, or its engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from recommender.roles import API, OWNER, PIPELINE, url_for

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class PerRole(Generic[T]):
    admin: T
    owner: T
    api: T
    pipeline: T

    def map(self, change: Callable[[T], U]) -> "PerRole[U]":
        return PerRole(change(self.admin), change(self.owner), change(self.api), change(self.pipeline))


def role_urls(admin_url: str, passwords: Mapping[str, str]) -> PerRole[str]:
    owner, api, pipeline = (url_for(admin_url, role, passwords[role]) for role in (OWNER, API, PIPELINE))
    return PerRole(admin_url, owner, api, pipeline)
