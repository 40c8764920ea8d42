"""Model versions in the bucket and the registry, and what may befall a file of one."""

import shutil
from pathlib import Path
from typing import Any

import fsspec
from sqlalchemy import text

from recommender.registry import make_champion, register
from tests.chaos.ground import BUCKET, Api, Ground

FILE = "left.npy"  # the one that is damaged
_AGE = text("UPDATE models SET trained_at = trained_at - interval '1 year' WHERE version = :version")


class Models:
    def __init__(self, ground: Ground) -> None:
        self._admin = ground.admin
        self._bucket: Any = fsspec.filesystem(
            "s3",
            key=ground.bucket["AWS_ACCESS_KEY_ID"],
            secret=ground.bucket["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=ground.bucket["AWS_ENDPOINT_URL"],
        )

    def champion(self) -> str:
        with self._admin.connect() as connection:
            return str(connection.execute(text("SELECT champion FROM serving")).scalar_one())

    def original(self, version: str) -> bytes:
        return bytes(self._bucket.cat_file(f"{BUCKET}/{version}/{FILE}"))

    def copy_damaged(self, version: str) -> str:
        """The name of the copy."""
        copy = version[::-1]
        self._bucket.copy(f"{BUCKET}/{version}/", f"{BUCKET}/{copy}/", recursive=True)
        self._bucket.pipe(f"{BUCKET}/{copy}/{FILE}", b"damage" * 100)
        return copy

    def publish(self, version: str, *, replaced: str) -> None:
        url = f"{BUCKET}/{version}"
        with self._admin.begin() as connection:
            register(connection, version, "{}", url)
            make_champion(connection, version, url, replaced=replaced, kind="forced", reason="chaos")

    def make_old(self, version: str) -> None:
        """The verbs go on with the version that was trained last."""
        with self._admin.begin() as connection:
            connection.execute(_AGE, {"version": version})


def load_failures(api: Api) -> float:
    return api.metric("marquee_model_load_failures_total")


def overwritten(file: Path) -> None:
    middle = file.stat().st_size // 2
    with file.open("r+b") as stream:
        stream.seek(middle)
        stream.write(b"\xff" * 64)


def cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def gone(file: Path) -> None:
    shutil.rmtree(file.parent)


HARMS = (overwritten, cut, gone)
