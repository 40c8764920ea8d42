"""What the lists were like: who ranked them, for whom, how popular, and what viewers did with them.

No label is a user, a movie or the version of a model: a list is the champion's, or another's.
"""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Histogram, Summary

from recommender.catalogue import Catalogue

SOURCES = ("model", "preferences", "popular")
REASONS = ("no_model", "no_history", "database_away")
EVENTS = ("shown", "clicked", "watched", "rated", "dismissed")
VERSIONS = ("champion", "other")
PLACES = {"1": 1, "2-3": 3, "4-10": 10, "11+": 100}  # and the last place of each
UNPLACED = "none"
FEW = 5  # ratings; a taste of fewer is mostly a guess
RANKING_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


class ListMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        served = Counter(
            "marquee_recommendations",
            "Lists of recommendations served, by what ranked them.",
            ["source"],
            registry=registry,
        )
        fallbacks = Counter(
            "marquee_fallbacks",
            "Lists made without the model, or without the database (persisted: false), by reason.",
            ["reason"],
            registry=registry,
        )
        cold = Counter(
            "marquee_cold_starts",
            f"Lists for who has no history, or fewer than {FEW} ratings.",
            ["history"],
            registry=registry,
        )
        scores = Summary(
            "marquee_served_score", "Mean score of a list, by what ranked it.", ["source"], registry=registry
        )
        impressions = Counter(
            "marquee_impressions",
            "Movies in lists served, by whose model ranked them and by place.",
            ["version", "place"],
            registry=registry,
        )
        self._feedback = Counter(
            "marquee_feedback",
            "What viewers did with movies of lists, by whose model ranked them and by place.",
            ["event", "version", "place"],
            registry=registry,
        )
        self.ranking = Histogram(
            "marquee_ranking_seconds",
            "Time to score and rank one list, without the database.",
            buckets=RANKING_S,
            registry=registry,
        )
        self._popularity = Histogram(
            "marquee_served_popularity",
            "Mean popularity of a list's movies: the share of the catalogue that is less popular.",
            buckets=SHARES,
            registry=registry,
        )
        self._served = {source: served.labels(source) for source in SOURCES}
        self._scores = {source: scores.labels(source) for source in SOURCES}
        self._fallbacks = {reason: fallbacks.labels(reason) for reason in REASONS}
        self._cold = {history: cold.labels(history) for history in ("none", "few")}
        self._impressions = {
            (version, place): impressions.labels(version, place) for version in VERSIONS for place in PLACES
        }
        for event in EVENTS:
            for version in VERSIONS:
                for place in (*PLACES, UNPLACED):
                    self._feedback.labels(event, version, place)

    def served(self, source: str, scores: Collection[float], rated: int) -> None:
        """Once it is sure to be sent; ``rated`` is the length of the history."""
        self._served[source].inc()
        if scores:
            self._scores[source].observe(sum(scores) / len(scores))
        if rated < FEW:
            self._cold["few" if rated else "none"].inc()

    def fell_back(self, reason: str) -> None:
        self._fallbacks[reason].inc()

    def impressed(self, catalogue: Catalogue, movie_ids: list[int], *, champions: bool) -> None:
        before, version = 0, VERSIONS[not champions]
        for place, last in PLACES.items():
            if len(movie_ids) > before:
                self._impressions[version, place].inc(min(len(movie_ids), last) - before)
            before = last
        if movie_ids:
            self._popularity.observe(catalogue.mean_percentile(movie_ids))

    def told(self, event: str, position: int | None, *, champions: bool) -> None:
        """``position`` counts from 1; None: the list is not known, or does not hold the movie."""
        places = (place for place, last in PLACES.items() if position and position <= last)
        self._feedback.labels(event, VERSIONS[not champions], next(places, UNPLACED)).inc()
