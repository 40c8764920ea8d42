"""The model: is it better than popularity, is it fresh, do viewers like it, have their tastes moved."""

from dashboards.boards.board import Board, Row
from dashboards.boards.feedback import liked
from dashboards.boards.panels import Look, high_is_well, low_is_well, series_panel, stat_panel
from dashboards.boards.queries import Query, age, figure, quantile, rate

CHAMPION = '{here,role="champion"}'
ENOUGH = f"and {figure('marquee_drift_samples{here}', 'measure')} >= 1000"
DAY = 86400


def well() -> Row:
    return Row(
        "Is it well?",
        [
            stat_panel(
                "Better than popularity by",
                "How much better the champion ranked held-out users' movies than the most popular would "
                "have.",
                "percentunit",
                Query(
                    f"{figure('marquee_model_ndcg' + CHAMPION)}"
                    f" / ({figure('marquee_model_popularity_ndcg' + CHAMPION)} > 0) - 1"
                ),
                limits=high_is_well(0, 0.05),
                look=Look(4, 4, decimals=0),
                runbook="MarqueeNoModel",
                empty="no champion",
            ),
            stat_panel(
                "Trained",
                "How long ago the champion was trained.",
                "s",
                Query(age("marquee_model_trained_timestamp_seconds" + CHAMPION)),
                limits=low_is_well(3 * DAY, 7 * DAY),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeModelStale",
                empty="no champion",
            ),
            stat_panel(
                "Published",
                "How long ago the champion was published.",
                "s",
                Query(age("marquee_champion_since_timestamp_seconds{here}")),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeModelStale",
                empty="no champion",
            ),
            stat_panel(
                "Refusals in a row",
                "Candidates that the gate refused since one passed. Two in a row want a look.",
                "none",
                Query(figure("marquee_gate_refusals_in_a_row{here}")),
                limits=low_is_well(1, 2),
                runbook="MarqueeGateRefusedTwice",
            ),
            stat_panel(
                "Drift",
                "The largest stability index (PSI) with at least 1000 samples behind it: below 0.1 "
                "nothing moved, from 0.25 on much did.",
                "none",
                Query(f"max({figure('marquee_drift_psi{here}', 'measure')} {ENOUGH})"),
                limits=low_is_well(0.1, 0.25),
                look=Look(4, 4, decimals=2),
                runbook="MarqueeDrift",
                empty="too few samples",
            ),
            stat_panel(
                "Coverage",
                "Share of the catalogue that stood in the champion's lists when it was judged.",
                "percentunit",
                Query(figure("marquee_model_coverage" + CHAMPION)),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeCoverageDrop",
                empty="no champion",
            ),
        ],
    )


def quality() -> Row:
    return Row(
        "How good is it?",
        [
            series_panel(
                "NDCG@10",
                "Over held-out users, when the model was judged. `candidate` is the model trained last, "
                "when it is not the champion; the gate compares it with the other two.",
                "none",
                Query(figure("marquee_model_ndcg{here}", "role"), "{{role}}"),
                Query(
                    figure("marquee_model_popularity_ndcg{here}", "role"), "most popular, users of {{role}}"
                ),
                look=Look(8, least=0),
                runbook="MarqueeGateRefusedTwice",
            ),
            series_panel(
                "Coverage of the catalogue",
                "Share of the catalogue in the lists of held-out users, and in the lists of a day.",
                "percentunit",
                Query(figure("marquee_model_coverage{here}", "role"), "{{role}}, judged"),
                Query(figure("marquee_exposure_coverage{here}"), "lists of the newest day"),
                runbook="MarqueeCoverageDrop",
            ),
            series_panel(
                "Age",
                "Time since the champion and the candidate were trained.",
                "s",
                Query(age("marquee_model_trained_timestamp_seconds{here}", "role"), "{{role}}"),
                runbook="MarqueeModelStale",
            ),
            series_panel(
                "Held-out users",
                "Users that a model was judged on: with few, NDCG says little.",
                "short",
                Query(figure("marquee_model_cases{here}", "role"), "{{role}}"),
            ),
            series_panel(
                "Refused by the gate",
                "Candidates refused since one passed or was published.",
                "none",
                Query(figure("marquee_gate_refusals_in_a_row{here}"), "refused"),
                limits=low_is_well(1, 2),
                runbook="MarqueeGateRefusedTwice",
            ),
            series_panel(
                "Processes by version",
                "Processes that serve each model version: two for about a minute while a new one is taken "
                "in.",
                "none",
                Query("count by (version) (marquee_model_info{here} == 1)", "{{version}}"),
                runbook="MarqueeVersionsDiffer",
                stacked=True,
            ),
        ],
    )


def drift() -> Row:
    return Row(
        "Why? Have tastes moved?",
        [
            series_panel(
                "Stability index (PSI)",
                "The newest day against what the champion was trained on: from 0.1 on a little, from 0.25 "
                "on much. With fewer than 1000 samples it says nothing.",
                "none",
                Query(figure("marquee_drift_psi{here}", "measure"), "{{measure}}"),
                limits=low_is_well(0.1, 0.25),
                runbook="MarqueeDrift",
            ),
            series_panel(
                "Jensen-Shannon divergence",
                "The same in another measure, from 0 to 1: it tells a new group of viewers from noise.",
                "none",
                Query(figure("marquee_drift_js{here}", "measure"), "{{measure}}"),
                runbook="MarqueeDrift",
            ),
            series_panel(
                "Samples",
                "Samples behind the two. The line is the 1000 that they want.",
                "short",
                Query(figure("marquee_drift_samples{here}", "measure"), "{{measure}}"),
                limits=high_is_well(1000, 1000),
                runbook="MarqueeDrift",
            ),
        ],
    )


def served() -> Row:
    return Row(
        "Why? What is served?",
        [
            series_panel(
                "Inequality of exposure",
                "Gini of how often movies stood in a day's lists: 0 all equally, near 1 always the same few.",
                "none",
                Query(figure("marquee_exposure_gini{here}"), "gini"),
                look=Look(6, least=0, most=1),
                runbook="MarqueeCoverageDrop",
            ),
            series_panel(
                "Lists looked at",
                "Lists of the newest day behind coverage and inequality.",
                "short",
                Query(figure("marquee_exposure_lists{here}"), "lists"),
                look=Look(6, least=0),
                runbook="MarqueeListsMissing",
            ),
            series_panel(
                "Score of a list",
                "Mean score by source; compare a source with itself only.",
                "none",
                Query(
                    f"{rate('marquee_served_score_sum{here}', 'source')}"
                    f" / ({rate('marquee_served_score_count{here}', 'source')} > 0)",
                    "{{source}}",
                ),
                look=Look(6),
            ),
            series_panel(
                "Popularity of a list",
                "Mean percentile of popularity of a list's movies: near 1 everybody gets the best known.",
                "none",
                Query(quantile(0.5, "marquee_served_popularity_bucket{here}"), "half of the lists below"),
                Query(quantile(0.9, "marquee_served_popularity_bucket{here}"), "90 % below"),
                look=Look(6, least=0, most=1),
            ),
        ],
    )


BOARD = Board(
    name="model",
    title="Model",
    description="Is the model better than popularity, is it fresh, do viewers like it, have tastes moved?",
    sources=("api",),
    rows=lambda: (well(), quality(), liked(), drift(), served()),
    since="now-7d",
)
