"""The tables, as the newest migration leaves them. tests/migrations compares the two.

Row-level security, roles and partitions cannot be said here; they stand in the migrations.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, REAL
from sqlalchemy.types import UserDefinedType


class Vector(UserDefinedType[Any]):
    """pgvector's type, without a stated number of dimensions: each space has its own."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "vector"

    def bind_processor(self, dialect: Any) -> Callable[[Any], str | None]:  # noqa: ARG002
        return lambda value: None if value is None else "[" + ",".join(map(repr, map(float, value))) + "]"

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        return lambda value: None if value is None else np.array(value[1:-1].split(","), dtype=np.float32)


metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _id(name: str) -> Column[int]:
    return Column(name, BigInteger, Identity(always=True), primary_key=True)


def _now(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _client() -> Column[int]:
    return Column("client_id", ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False)


def _pair() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["client_id", "user_id"], ["users.client_id", "users.user_id"], ondelete="CASCADE"
    )


def _user() -> tuple[Column[int], Column[int], ForeignKeyConstraint]:
    """A row of a user names its client too, and the pair must exist."""
    return (
        Column("client_id", BigInteger, nullable=False),
        Column("user_id", BigInteger, nullable=False),
        _pair(),
    )


def _perhaps_user() -> tuple[Column[int], Column[int], ForeignKeyConstraint]:
    return _client(), Column("user_id", BigInteger), _pair()


def _movie() -> Column[int]:
    return Column("movie_id", ForeignKey("movies.movie_id"), nullable=False)


def _rating(nullable: bool) -> tuple[Column[float], CheckConstraint]:
    return Column("rating", REAL, nullable=nullable), CheckConstraint(
        "rating BETWEEN 0.5 AND 5", name="rating"
    )


clients = Table(
    "clients",
    metadata,
    _id("client_id"),
    Column("username", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    _now("created_at"),
    Column("nightly_k", SmallInteger),
    _one_of("status", "active", "disabled"),
    CheckConstraint("nightly_k BETWEEN 1 AND 100", name="nightly_k"),
)

models = Table(
    "models",
    metadata,
    Column("version", Text, primary_key=True),
    Column("status", Text, nullable=False, server_default="candidate"),
    Column("card", JSONB, nullable=False),
    Column("metrics", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("artifact_url", Text, nullable=False),
    _now("trained_at"),
    Column("verdict", JSONB),
    Column("day", Date),
    _one_of("status", "candidate", "refused", "published"),
)

movies = Table(
    "movies",
    metadata,
    _id("movie_id"),
    Column("title", Text, nullable=False),
    Column("title_key", Text, nullable=False),
    Column("year", SmallInteger),
    Column("kind", Text, nullable=False, server_default="movie"),
    Column("ratings_count", BigInteger, nullable=False, server_default="0"),
    Column("vector", Vector),
    Column("space", ForeignKey("models.version")),
    _one_of("kind", "movie", "show"),
    CheckConstraint("year BETWEEN 1870 AND 2100", name="year"),
    CheckConstraint("(vector IS NULL) = (space IS NULL)", name="vector_has_space"),
    Index(None, "title_key", "year"),
)

movie_sources = Table(
    "movie_sources",
    metadata,
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("movie_id", ForeignKey("movies.movie_id", ondelete="CASCADE"), nullable=False, index=True),
    PrimaryKeyConstraint("source", "source_id"),
)

genres = Table(
    "genres",
    metadata,
    Column("genre_id", SmallInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

movie_genres = Table(
    "movie_genres",
    metadata,
    Column("movie_id", ForeignKey("movies.movie_id", ondelete="CASCADE"), nullable=False),
    Column("genre_id", ForeignKey("genres.genre_id"), nullable=False),
    PrimaryKeyConstraint("movie_id", "genre_id"),
)

people = Table("people", metadata, _id("person_id"), Column("name", Text, nullable=False))

movie_credits = Table(
    "movie_credits",
    metadata,
    Column("movie_id", ForeignKey("movies.movie_id", ondelete="CASCADE"), nullable=False),
    Column("person_id", ForeignKey("people.person_id"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("movie_id", "person_id", "role"),
)

serving = Table(
    "serving",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("champion", ForeignKey("models.version")),
    Column("champion_since", DateTime(timezone=True)),
    Column("catalogue_revision", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("only_row", name="only_row"),
)

users = Table(
    "users",
    metadata,
    _id("user_id"),
    _client(),
    Column("external_id", Text),
    Column("preferences", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("taste", Vector),
    Column("space", Text),
    _now("created_at"),
    _now("updated_at"),
    Column("genre_profile", JSONB),
    Column("profiled_at", DateTime(timezone=True)),
    UniqueConstraint("client_id", "external_id"),
    UniqueConstraint("client_id", "user_id"),
    CheckConstraint("(taste IS NULL) = (space IS NULL)", name="taste_has_space"),
)

ratings = Table(
    "movies_users_rating",
    metadata,
    *_user(),
    Column("movie_id", BigInteger, nullable=False),  # a trigger asks for the movie, once a statement
    *_rating(nullable=False),
    Column("implied", Boolean, nullable=False, server_default=text("false")),
    Column("rated_at", DateTime(timezone=True)),
    _now("received_at"),
    PrimaryKeyConstraint("user_id", "movie_id"),
)

dismissals = Table(
    "dismissals",
    metadata,
    *_user(),
    _movie(),
    _now("dismissed_at"),
    PrimaryKeyConstraint("user_id", "movie_id"),
)

recommendations = Table(
    "recommendations",
    metadata,
    Column("recommendation_id", Uuid, nullable=False),
    Column("served_at", DateTime(timezone=True), nullable=False),
    *_perhaps_user(),
    Column("version", Text),
    Column("source", Text, nullable=False),
    Column("movie_ids", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("recommendation_id", "served_at"),
    _one_of("source", "model", "preferences", "popular"),
    Index(None, "client_id", "user_id"),
    postgresql_partition_by="RANGE (served_at)",
)

feedback = Table(
    "feedback",
    metadata,
    *_user(),
    Column("recommendation_id", Uuid, nullable=False),
    _movie(),
    Column("event", Text, nullable=False),
    *_rating(nullable=True),
    _now("received_at"),
    PrimaryKeyConstraint("recommendation_id", "movie_id", "event"),
    _one_of("event", "shown", "clicked", "watched", "rated", "dismissed"),
    Index(None, "client_id", "user_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    *_perhaps_user(),
    Column("key", Text, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("response", JSONB),
    _now("created_at"),
    PrimaryKeyConstraint("client_id", "key"),
    Index(None, "created_at"),
    Index(None, "user_id"),
)

injections = Table(
    "injections",
    metadata,
    _id("injection_id"),
    _client(),
    Column("source", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("day", Date),
    Column("rows_read", BigInteger, nullable=False, server_default="0"),
    Column("rows_loaded", BigInteger, nullable=False, server_default="0"),
    Column("rows_rejected", BigInteger, nullable=False, server_default="0"),
    Column("rows_superseded", BigInteger, nullable=False, server_default="0"),
    _now("started_at"),
    Column("finished_at", DateTime(timezone=True)),
    Column("rows_unchanged", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("client_id", "source", "file"),
    Index(None, "day"),
)

rejects = Table(
    "rejects",
    metadata,
    Column("injection_id", ForeignKey("injections.injection_id", ondelete="CASCADE"), nullable=False),
    _client(),
    Column("external_id", Text),
    Column("file", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("rule", Text, nullable=False),
    Column("row", Text, nullable=False),
    PrimaryKeyConstraint("injection_id", "file", "line", "rule"),
    Index(None, "client_id", "external_id"),
)

tombstones = Table(
    "tombstones",
    metadata,
    _client(),
    Column("digest", LargeBinary, nullable=False),
    _now("deleted_at"),
    PrimaryKeyConstraint("client_id", "digest"),
)

publications = Table(
    "publications",
    metadata,
    _id("publication_id"),
    Column("version", ForeignKey("models.version"), nullable=False),
    Column("replaced", Text),
    Column("kind", Text, nullable=False),
    Column("reason", Text),
    _now("published_at"),
    _one_of("kind", "gate", "forced", "rollback"),
    CheckConstraint("kind = 'gate' OR reason IS NOT NULL", name="reason"),
)

nightly_lists = Table(
    "nightly_lists",
    metadata,
    *_user(),
    Column("day", Date, nullable=False),
    Column("version", Text),
    Column("source", Text, nullable=False),
    Column("movie_ids", ARRAY(BigInteger), nullable=False),
    Column("scores", ARRAY(REAL), nullable=False),
    PrimaryKeyConstraint("client_id", "day", "user_id"),
    _one_of("source", "model", "preferences", "popular"),
    Index(None, "user_id"),
)

drift = Table(
    "drift",
    metadata,
    Column("day", Date, nullable=False),
    Column("version", ForeignKey("models.version"), nullable=False),
    Column("measure", Text, nullable=False),
    Column("psi", Double, nullable=False),
    Column("js", Double, nullable=False),
    Column("samples", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "version", "measure"),
)

runs = Table(
    "runs",
    metadata,
    _id("run_id"),
    Column("verb", Text, nullable=False),
    Column("day", Date),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    _one_of("outcome", "ok", "skipped", "failed"),
    Index("runs_verb_outcome_finished_at_idx", "verb", "outcome", "finished_at"),
)

exposure = Table(
    "exposure",
    metadata,
    Column("day", Date, primary_key=True, autoincrement=False),
    Column("lists", BigInteger, nullable=False),
    Column("movies", BigInteger, nullable=False),
    Column("catalogue", BigInteger, nullable=False),
    Column("gini", Double, nullable=False),
)
