"""The application: routers, layers, and a lifespan that opens what a process holds and closes it again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from anyio import to_thread
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from api import (
    batch,
    catalogue,
    clients,
    feedback,
    health,
    model,
    nightly_lists,
    problems,
    ratings,
    recommendations,
    together,
    users,
)
from api.asked import RequestLog
from api.docs import add_docs
from api.edge import Edge
from api.figures import FiguresReader
from api.lanes import Lanes
from api.limits import BodyLimit, Limits
from api.metrics import Metrics, instrument
from api.openapi import Described
from api.ops import add_ops
from api.passwords import Passwords
from api.platform import Platform
from api.pool import watched_pool
from api.served import ServedLog
from api.settings import ApiSettings
from api.shelf import Shelf
from api.standing import Standing
from api.tokens import Tokens
from api.traffic import Traffic
from api.turns import Turns
from recommender.database import answer_within, driver_arguments, open_engine
from recommender.model_store import ModelStore

ROUTERS = (
    clients.router,
    recommendations.router,
    batch.router,
    together.router,
    nightly_lists.router,
    catalogue.router,
    users.router,
    ratings.router,
    feedback.router,
    model.router,
    health.router,
)
# FastAPI's own spans and log records have paths, queries and sentences of errors; a provider set in the
# process, as by an operator that injects one, would switch them on.
UNTRACED = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
GRACE_S = 0.5  # for the server's own statement_timeout to come first and spare the connection
LOCK_S = 1  # an import holds the users that it changes until it is done: say so rather than wait
SPARE_THREADS = 4  # for requests that need no connection, beside one thread for each connection


class Thread(Protocol):
    def open(self) -> None: ...
    def close(self) -> None: ...


def create_app(settings: ApiSettings) -> FastAPI:
    metrics = Metrics(settings.database_limit)
    standing = Standing(metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = settings.db_pool + SPARE_THREADS
        with answer_within(settings.db_timeout_s + GRACE_S):
            app.state.platform = here = _open(settings, metrics, standing)
            threads: list[Thread] = [
                here.shelf,
                here.log,
                here.figures,
                *([here.traffic] if settings.ops else []),
            ]
            for thread in threads:
                thread.open()
            yield
            for thread in reversed(threads):
                thread.close()
            here.lanes.close()
            here.engine.dispose()

    app = Described(
        title="Marquee",
        summary="Movie recommendations for streaming platforms.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry=UNTRACED,
        generate_unique_id_function=lambda route: route.name,
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url=None,
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    if settings.docs:
        add_docs(app)
    if settings.ops:
        add_ops(app)
    problems.install(app)
    app.add_middleware(BodyLimit, limit=settings.body_limit)
    instrument(app, metrics)
    lines = RequestLog(settings.request_log, settings.slow_ms)
    app.add_middleware(Edge, standing=standing, lines=lines)  # added last, so outermost
    return app


def _open(settings: ApiSettings, metrics: Metrics, standing: Standing) -> Platform:
    lanes, limits_s = settings.db_pool // 2, (settings.db_timeout_s, LOCK_S)
    engine = open_engine(
        settings.database_url,
        pool_size=settings.db_pool - lanes,
        statement_timeout_s=settings.db_timeout_s,
        lock_timeout_s=LOCK_S,
        pool=watched_pool(metrics.pool),
    )
    metrics.pool.watch(engine)
    arguments = driver_arguments(engine, *limits_s)
    return Platform(
        settings=settings,
        engine=engine,
        lanes=Lanes(arguments, lanes, settings.db_timeout_s + GRACE_S, metrics.pool),
        metrics=metrics,
        standing=standing,
        limits=Limits.of(settings, metrics),
        turns=Turns(max(1, lanes - 1)),  # no client takes every connection
        tokens=Tokens(settings.keys, settings.token_minutes),
        passwords=Passwords(),
        shelf=Shelf(engine, ModelStore.at(settings.models_url, settings.model_cache), metrics, standing),
        log=ServedLog(engine, metrics),
        figures=FiguresReader(engine, metrics),
        traffic=Traffic(metrics),
    )
