"""Our own metrics, in one place; the instrumentator adds HTTP's. No label is ever a user or a movie."""

from fastapi import FastAPI
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_fastapi_instrumentator import Instrumentator
from prometheus_fastapi_instrumentator.metrics import Info, default

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
SOURCES = ("model", "preferences", "popular")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


class Metrics:
    """The metrics of one app. The registry is its own, so that two apps in a process do not clash."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, unread
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.served = Counter(
            "marquee_recommendations",
            "Lists of recommendations served, by what ranked them.",
            ["source"],
            registry=registry,
        )
        for source in SOURCES:
            self.served.labels(source=source)
        self.fallbacks = Counter(
            "marquee_fallbacks",
            "Lists made without the model, or without the database, by reason.",
            ["reason"],
            registry=registry,
        )
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

    def serve(self, version: str | None) -> None:
        """Only what is served now has a series."""
        self.champion.clear()
        if version:
            self.champion.labels(version).set(1)


def instrument(app: FastAPI, metrics: Metrics) -> None:
    record = default(registry=metrics.registry, latency_lowr_buckets=BUCKETS)

    def bounded(info: Info) -> None:
        """Anybody may invent methods; each would be a series."""
        if info.method not in METHODS:
            info.method = "other"
        if record:
            record(info)

    instrumentator = Instrumentator(
        should_group_status_codes=False,
        excluded_handlers=["^/health/", "^/metrics$"],
        registry=metrics.registry,
    )
    instrumentator.add(bounded).instrument(app)
