"""The API: is every request answered, how fast, from what; and if not, why."""

from dashboards.boards.board import Board, Row
from dashboards.boards.firing import firing_table
from dashboards.boards.objectives import (
    ANSWERED,
    FAST,
    answered,
    at_once,
    budget_left,
)
from dashboards.boards.panels import (
    Look,
    high_is_well,
    low_is_well,
    series_panel,
    stat_panel,
)
from dashboards.boards.processes import pods, processes, versions
from dashboards.boards.queries import Query, quantile, rate, share

REQUESTS = "http_requests_total{ours}"
FAILED = 'http_requests_total{ours,status=~"5.."}'


def well() -> Row:
    return Row(
        "Is it well?",
        [
            stat_panel(
                "Processes ready",
                "Processes of the API that can recommend. 0: nobody is served.",
                "none",
                Query("sum(marquee_ready{here})"),
                limits=high_is_well(1, 1),
                runbook="MarqueeDown",
            ),
            stat_panel(
                "Requests",
                "Requests answered in a second, now.",
                "reqps",
                Query(rate(REQUESTS)),
                look=Look(4, 4, decimals=1),
            ),
            answered(
                "Without a server error",
                "Share of the requests in the time shown that were not answered 5xx. The objective is "
                "99.9 %.",
            ),
            at_once(
                "Below 250 ms",
                "Share of the requests in the time shown that were answered in 250 ms. The objective is "
                "99 %.",
            ),
            stat_panel(
                "Error budget left",
                "Of the 0.1 % of requests that may fail in 30 days, the share still unused; below 0 the "
                "objective is missed. Looks back as far as Prometheus keeps data.",
                "percentunit",
                Query(budget_left("marquee:requests:errors_rate_5m", "marquee:requests:rate_5m", 0.001)),
                limits=high_is_well(0, 0.5),
                runbook="MarqueeErrorsBurnSlow",
                look=Look(4, 4, decimals=0),
                empty="no requests",
            ),
            stat_panel(
                "Latency budget left",
                "Of the 1 % of requests that may take longer than 250 ms in 30 days, the share still unused.",
                "percentunit",
                Query(budget_left("marquee:latency:slow_rate_5m", "marquee:latency:rate_5m", 0.01)),
                limits=high_is_well(0, 0.5),
                runbook="MarqueeLatencyBurnSlow",
                look=Look(4, 4, decimals=0),
                empty="no requests",
            ),
        ],
    )


def traffic() -> Row:
    return Row(
        "How much, how well, how fast?",
        [
            series_panel(
                "Requests by route",
                "Requests answered in a second, by route. `none` reached no route.",
                "reqps",
                Query(rate(REQUESTS, "handler"), "{{handler}}"),
                stacked=True,
            ),
            series_panel(
                "Requests by status",
                "Requests answered in a second, by status: 4xx are the clients' mistakes, 5xx are ours.",
                "reqps",
                Query(rate(REQUESTS, "status"), "{{status}}"),
                stacked=True,
            ),
            series_panel(
                "Server errors",
                "Share of requests answered 5xx, by route. The line is what the objective allows.",
                "percentunit",
                Query(share(rate(FAILED, "handler"), rate(REQUESTS, "handler")), "{{handler}}"),
                limits=low_is_well(0.001, 0.01),
                runbook="MarqueeErrorsBurnFast",
            ),
            series_panel(
                "Time to answer",
                "Half, 95 and 99 of 100 requests are answered within this time, over all routes.",
                "s",
                *(
                    Query(quantile(which, "http_request_duration_highr_seconds_bucket{ours}"), name)
                    for which, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
                ),
                limits=low_is_well(0.25, 1),
                runbook="MarqueeLatencyBurnFast",
            ),
            series_panel(
                "Below 250 ms by route",
                "Share of requests answered in 250 ms. The line is the objective, 99 %.",
                "percentunit",
                Query(
                    share(rate(FAST, "handler"), rate(ANSWERED, "handler")),
                    "{{handler}}",
                ),
                limits=high_is_well(0.95, 0.99),
                look=Look(most=1),
                runbook="MarqueeLatencyBurnSlow",
            ),
            series_panel(
                "Time to rank",
                "Time to score and rank one list, without the database: when this is short and answers "
                "are slow, look at the pool and at Postgres.",
                "s",
                Query(quantile(0.5, "marquee_ranking_seconds_bucket{here}"), "half"),
                Query(quantile(0.99, "marquee_ranking_seconds_bucket{here}"), "99 %"),
            ),
            firing_table("api|database", Look(24, 6)),
        ],
    )


def lists() -> Row:
    return Row(
        "What are viewers given?",
        [
            series_panel(
                "Lists by source",
                "Lists served in a second, by what ranked them: the model, stated preferences, or "
                "popularity.",
                "suffix: /s",
                Query(rate("marquee_recommendations_total{here}", "source"), "{{source}}"),
                stacked=True,
            ),
            series_panel(
                "Fallbacks",
                "Lists in a second made without the model (`no_model`, `no_history`) or without the "
                "database.",
                "suffix: /s",
                Query(rate("marquee_fallbacks_total{here}", "reason"), "{{reason}}"),
                runbook="MarqueeFallbacks",
                empty="none yet",
            ),
            series_panel(
                "Cold starts",
                "Lists in a second for who has rated nothing (`none`) or fewer than 5 movies (`few`).",
                "suffix: /s",
                Query(rate("marquee_cold_starts_total{here}", "history"), "{{history}}"),
                empty="none yet",
            ),
            series_panel(
                "Unknown movies",
                "Movies in requests, in a second, that the catalogue does not know: is its import behind?",
                "suffix: /s",
                Query(rate("marquee_unknown_movies_total{here}"), "unknown"),
            ),
            series_panel(
                "Refused for their rate",
                "Requests in a second refused with 429, by the limit that they ran into.",
                "reqps",
                Query(rate("marquee_rate_limited_total{here}", "rate"), "{{rate}}"),
                empty="none yet",
            ),
            series_panel(
                "New users",
                "Users in a second made by requests.",
                "suffix: /s",
                Query(rate("marquee_users_created_total{here}"), "made"),
            ),
        ],
    )


BOARD = Board(
    name="api",
    title="API",
    description="Is every request answered, how fast, from what; and if not, why.",
    sources=("api", "rules", "prometheus", "kube-state-metrics"),
    rows=lambda: (well(), traffic(), lists(), versions(), processes(), pods()),
)
