"""The metrics of one process; METRICS.md lists all of them. No label is ever a user or a movie."""

from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from api.http_metrics import HttpMetrics, recorder
from api.list_metrics import ListMetrics
from api.pool import PoolMetrics

RATES = ("requests", "token_addresses", "token_names", "registrations")
RELEASE = version("marquee")


class Metrics:
    """The metrics of one app. The registry is its own, so that two apps in a process do not clash."""

    def __init__(self, database_limit: int | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, unread
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.lists = ListMetrics(registry)
        self.pool = PoolMetrics(registry)
        rate_limited = Counter(
            "marquee_rate_limited", "Requests refused with 429, by the rate.", ["rate"], registry=registry
        )
        self.rate_limited = {rate: rate_limited.labels(rate) for rate in RATES}
        self.unknown_movies = Counter(
            "marquee_unknown_movies",
            "Movies in requests that the catalogue does not know.",
            registry=registry,
        )
        self.users_created = Counter("marquee_users_created", "Users made by requests.", registry=registry)
        self.log_dropped = Counter(
            "marquee_served_log_dropped",
            "Rows of the log of what was served that were lost.",
            registry=registry,
        )
        self.load_failures = Counter(
            "marquee_model_load_failures",
            "Models that were refused when they were loaded.",
            registry=registry,
        )
        self.background_failures = Counter(
            "marquee_background_failures",
            "Errors that nobody foresaw in a thread that works beside the requests; it went on.",
            ["thread"],
            registry=registry,
        )
        self.ready = Gauge(
            "marquee_ready",
            "1 once this process could recommend, until it is told to stop.",
            registry=registry,
        )
        self.database_up = Gauge(
            "marquee_database_up", "1 when the database answered when it was last asked.", registry=registry
        )
        self.schema_ok = Gauge(
            "marquee_schema_ok", "1 when the schema, when last seen, was one that fits.", registry=registry
        )
        self.model_loaded = Gauge(
            "marquee_model_loaded", "1 when a model ranks; 0: the most popular are served.", registry=registry
        )
        self.movies = Gauge("marquee_catalogue_movies", "Movies that can be recommended.", registry=registry)
        self.champion = Gauge(
            "marquee_model_info",
            "1 for the model version that this process serves.",
            ["version"],
            registry=registry,
        )

        Gauge(
            "marquee_build_info", "1 for the release of Marquee that runs.", ["version"], registry=registry
        ).labels(RELEASE).set(1)
        if database_limit is not None:
            Gauge(
                "marquee_database_limit_bytes",
                "Size that the database may have, as the setting says.",
                registry=registry,
            ).set(database_limit)

    def serve(self, version: str | None) -> None:
        """Only what is served now has a series."""
        self.champion.clear()
        if version:
            self.champion.labels(version).set(1)


def instrument(app: FastAPI, metrics: Metrics) -> None:
    app.add_middleware(HttpMetrics, record=recorder(metrics.registry))
