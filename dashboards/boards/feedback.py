"""What viewers did with the first three movies of their lists."""

from dashboards.boards.board import Row
from dashboards.boards.panels import series_panel
from dashboards.boards.queries import Query, grown, rate, share

FIRST_THREE = 'place=~"1|2-3"'
SHOWN = f"marquee_impressions_total{{here,{FIRST_THREE}}}"


def through(event: str, by: str = "", window: str = "1h") -> str:
    """Of the movies at places 1 to 3, the share that was clicked, or watched."""
    told = f'marquee_feedback_total{{here,event="{event}",{FIRST_THREE}}}'
    return share(grown(told, by, window), grown(SHOWN, by, window))


def by_place(event: str) -> str:
    told = f'marquee_feedback_total{{here,event="{event}",place!="none"}}'
    shown = grown("marquee_impressions_total{here}", "place", "1h")
    return share(grown(told, "place", "1h"), shown)


def liked() -> Row:
    return Row(
        "Do viewers like it?",
        [
            series_panel(
                "Clicked, of the first three",
                "Share of the movies at places 1 to 3 in the hour before that was clicked, by version.",
                "percentunit",
                Query(through("clicked", "version"), "{{version}}"),
                empty="nothing shown",
            ),
            series_panel(
                "Watched, of the first three",
                "Share of the movies at places 1 to 3 in the hour before that was watched, by version.",
                "percentunit",
                Query(through("watched", "version"), "{{version}}"),
                empty="nothing shown",
            ),
            series_panel(
                "Clicked by place",
                "Share clicked in the hour before, by place. A good order falls from 1 on; a flat one is "
                "chance.",
                "percentunit",
                Query(by_place("clicked"), "{{place}}"),
                empty="nothing shown",
            ),
            series_panel(
                "Watched by place",
                "Share watched in the hour before, by place.",
                "percentunit",
                Query(by_place("watched"), "{{place}}"),
                empty="nothing shown",
            ),
            series_panel(
                "Feedback",
                "What viewers did in a second: `shown`, `clicked`, `watched`, `rated`, `dismissed`.",
                "suffix: /s",
                Query(rate("marquee_feedback_total{here}", "event"), "{{event}}"),
                empty="none yet",
            ),
            series_panel(
                "Movies shown",
                "Movies in served lists in a second, by version; and those at places 1 to 3.",
                "suffix: /s",
                Query(rate("marquee_impressions_total{here}", "version"), "{{version}}"),
                Query(rate(SHOWN), "first three"),
            ),
        ],
    )
