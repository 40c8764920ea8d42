"""For who runs the product: are viewers served, how fast, and do they like what they get."""

from dashboards.boards.board import Board, Row
from dashboards.boards.feedback import through
from dashboards.boards.firing import firing_count, firing_table
from dashboards.boards.objectives import answered, at_once
from dashboards.boards.panels import Look, high_is_well, low_is_well, series_panel, stat_panel
from dashboards.boards.queries import Query, age, figure, grown, quantile, rate, share

HOUR = 3600
LISTS = "marquee_recommendations_total{here}"
PERSONAL = 'marquee_recommendations_total{here,source!="popular"}'
CHAMPION = '{here,role="champion"}'
SMALL = Look(4, 4, decimals=1)


def well() -> Row:
    return Row(
        "Is it well?",
        [
            firing_count(),
            answered(
                "Viewers served",
                "Share of requests in the time shown that were answered without an error of ours. Goal: "
                "99.9 %.",
            ),
            at_once(
                "Served at once",
                "Share of requests in the time shown that were answered in a quarter of a second. Goal: "
                "99 %.",
            ),
            stat_panel(
                "Personal lists",
                "Share of lists that were made for this viewer. The rest got what is popular with everybody.",
                "percentunit",
                Query(share(grown(PERSONAL), grown(LISTS))),
                limits=high_is_well(0.5, 0.8),
                runbook="MarqueeFallbacks",
                look=SMALL,
                empty="no lists",
            ),
            stat_panel(
                "Newest day",
                "How long ago the newest day of ratings began that was loaded. Yesterday's comes at 07:00 "
                "UTC, so 31 to 55 hours are normal.",
                "s",
                Query(age('marquee_newest_day_timestamp_seconds{here,kind="loaded"}')),
                limits=low_is_well(56 * HOUR, 58 * HOUR),
                runbook="MarqueeDayMissing",
                look=SMALL,
                empty="none loaded",
            ),
            stat_panel(
                "Better than popularity by",
                "How much better the model ranked held-out viewers' movies than a list of the most "
                "popular would have (NDCG@10). 0 %: no better.",
                "percentunit",
                Query(
                    f"{figure('marquee_model_ndcg' + CHAMPION)}"
                    f" / ({figure('marquee_model_popularity_ndcg' + CHAMPION)} > 0) - 1"
                ),
                limits=high_is_well(0, 0.05),
                runbook="MarqueeGateRefusedTwice",
                look=Look(4, 4, decimals=0),
                empty="no model",
            ),
            firing_table(look=Look(24, 5)),
        ],
    )


def liked() -> Row:
    return Row(
        "Do viewers like what they get?",
        [
            series_panel(
                "Clicked, of the first three",
                "Of the movies at places 1 to 3 in the hour before, the share that viewers clicked. "
                "`champion` is the model that serves; `other` is what was served before it or without it.",
                "percentunit",
                Query(through("clicked", "version"), "{{version}}"),
                look=Look(12, least=0),
                empty="nothing shown",
            ),
            series_panel(
                "Watched, of the first three",
                "Of the movies at places 1 to 3 in the hour before, the share that viewers watched.",
                "percentunit",
                Query(through("watched", "version"), "{{version}}"),
                look=Look(12, least=0),
                empty="nothing shown",
            ),
            stat_panel(
                "Clicked",
                "Share of the movies at places 1 to 3 that was clicked, over the time shown.",
                "percentunit",
                Query(through("clicked", window="shown")),
                look=SMALL,
                empty="nothing shown",
            ),
            stat_panel(
                "Watched",
                "Share of the movies at places 1 to 3 that was watched, over the time shown.",
                "percentunit",
                Query(through("watched", window="shown")),
                look=SMALL,
                empty="nothing shown",
            ),
            stat_panel(
                "Catalogue shown",
                "Share of the catalogue that stood in somebody's list on the newest day that was counted.",
                "percentunit",
                Query(figure("marquee_exposure_coverage{here}")),
                runbook="MarqueeCoverageDrop",
                look=SMALL,
                empty="not counted",
            ),
            stat_panel(
                "Model since",
                "How long ago the model that serves was published.",
                "s",
                Query(age("marquee_champion_since_timestamp_seconds{here}")),
                runbook="MarqueeModelStale",
                look=SMALL,
                empty="no model",
            ),
            stat_panel(
                "Users",
                "Viewers known, as Postgres estimates them.",
                "short",
                Query(figure('marquee_table_rows{here,table="users"}')),
                empty="not counted",
            ),
            stat_panel(
                "Movies",
                "Movies that can be recommended.",
                "short",
                Query(figure("marquee_catalogue_movies{here}")),
            ),
        ],
    )


def why() -> Row:
    return Row(
        "Why?",
        [
            series_panel(
                "Lists by what made them",
                "Lists served in a second: by the model, from stated preferences, or the most popular.",
                "suffix: /s",
                Query(rate(LISTS, "source"), "{{source}}"),
                stacked=True,
                runbook="MarqueeFallbacks",
            ),
            series_panel(
                "Time to wait",
                "Half, and 99 of 100, requests are answered within this time. The line is the goal.",
                "s",
                Query(quantile(0.5, "http_request_duration_highr_seconds_bucket{ours}"), "half"),
                Query(quantile(0.99, "http_request_duration_highr_seconds_bucket{ours}"), "99 %"),
                limits=low_is_well(0.25, 1),
                runbook="MarqueeLatencyBurnFast",
            ),
            series_panel(
                "Model and popularity",
                "NDCG@10 of the model that serves, of the one trained last, and of a list of the most "
                "popular.",
                "none",
                Query(figure("marquee_model_ndcg{here}", "role"), "{{role}}"),
                Query(figure("marquee_model_popularity_ndcg" + CHAMPION), "most popular"),
                runbook="MarqueeGateRefusedTwice",
            ),
        ],
    )


BOARD = Board(
    name="overview",
    title="Overview",
    description="Are viewers served, how fast, and do they like what they get?",
    sources=("api", "prometheus"),
    rows=lambda: (well(), liked(), why()),
    since="now-24h",
)
