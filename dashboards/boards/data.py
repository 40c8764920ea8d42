"""The data: did yesterday arrive, what was refused, did the jobs run, is there room, is there a backup."""

from dashboards.boards.board import Board, Row
from dashboards.boards.panels import Column, Look, low_is_well, series_panel, stat_panel, table_panel
from dashboards.boards.queries import Query, age, figure

HOUR = 3600
NEWEST = "marquee_newest_day_timestamp_seconds"
ENDED = "marquee_job_finished_timestamp_seconds"
BACKUP = 'kube_cronjob_status_last_successful_time{here,cronjob=~".*backup"}'
FULL = "max(marquee:database:full_ratio{here} or marquee:database:volume_full_ratio{here})"
VOLUMES = "persistentvolumeclaim"
REFUSED = figure('marquee_day_rows{here,outcome="rejected"}')
READ = figure('marquee_day_rows{here,outcome="read"}')


def failing() -> str:
    """Verbs that failed after they last went well, as MarqueeJobFailed has it."""
    failed = figure(ENDED + '{here,outcome="failed",verb!="fetch"}', "verb")
    went_well = figure(ENDED + '{here,outcome!="failed"}', "verb")
    none = f"0 * {figure('marquee_figures_timestamp_seconds{here}')}"
    return f"count({failed} > time() - {48 * HOUR} unless {went_well} >= {failed}) or {none}"


def well() -> Row:
    return Row(
        "Is it well?",
        [
            stat_panel(
                "Newest day",
                "How long ago the newest day that was loaded began. Yesterday's comes at 07:00 UTC: 31 to "
                "55 hours are normal.",
                "s",
                Query(age(NEWEST + '{here,kind="loaded"}')),
                limits=low_is_well(56 * HOUR, 58 * HOUR),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeDayMissing",
                empty="none loaded",
            ),
            stat_panel(
                "Rows refused",
                "Share of the newest day's rows that broke a rule.",
                "percentunit",
                Query(f"{REFUSED} / ({READ} > 0)"),
                limits=low_is_well(0.05, 0.2),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeRejectsHigh",
                empty="none loaded",
            ),
            stat_panel(
                "Jobs that fail",
                "Verbs that failed within two days and have not gone well since. Not `fetch`, which fails "
                "while files are on their way.",
                "none",
                Query(failing()),
                limits=low_is_well(1, 1),
                runbook="MarqueeJobFailed",
            ),
            stat_panel(
                "Database",
                "Share of the room for the database that is used: of its limit, or of its volume.",
                "percentunit",
                Query(FULL),
                limits=low_is_well(0.8, 0.9),
                look=Look(4, 4, decimals=0),
                runbook="MarqueeDatabaseFull",
                empty="no limit known",
            ),
            stat_panel(
                "Last backup",
                "How long ago a backup last ended well, as the cluster tells.",
                "s",
                Query(f"time() - max({BACKUP})"),
                limits=low_is_well(30 * HOUR, 54 * HOUR),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeBackupOld",
                empty="no backups",
            ),
            stat_panel(
                "Rows",
                "Ratings in the files of the newest day.",
                "short",
                Query(READ),
                look=Look(4, 4, decimals=1),
                runbook="MarqueeDayMissing",
                empty="none loaded",
            ),
        ],
    )


def days() -> Row:
    return Row(
        "Did the days arrive?",
        [
            series_panel(
                "Age of the newest day",
                "Time since the newest day began that was loaded, trained on, is in the champion, has "
                "lists of the night, was looked at for drift, or for exposure. A saw: it falls when a day "
                "arrives.",
                "s",
                Query(age(NEWEST + "{here}", "kind"), "{{kind}}"),
                runbook="MarqueeDayMissing",
            ),
            series_panel(
                "Rows of the newest day",
                "Ratings of the newest loaded day: new, the same as before, older than what is known, "
                "refused.",
                "short",
                Query(figure('marquee_day_rows{here,outcome!="read"}', "outcome"), "{{outcome}}"),
                stacked=True,
                runbook="MarqueeRejectsHigh",
            ),
            series_panel(
                "Refused, by rule",
                "Rows of the newest day by the rule that they broke. The file, line and row of each are "
                "kept in `rejects`.",
                "short",
                Query(figure("marquee_day_rejected_rows{here}", "rule"), "{{rule}}"),
                stacked=True,
                runbook="MarqueeRejectsHigh",
                empty="none refused",
            ),
        ],
    )


def jobs() -> Row:
    return Row(
        "Did the jobs run?",
        [
            table_panel(
                "Last runs",
                "When each verb last ended so, and how long it took. A killed run leaves none.",
                [
                    Column("verb", "verb"),
                    Column("outcome", "outcome"),
                    Column("Value #A", "ended", "dateTimeFromNow"),
                    Column("Value #B", "took", "s"),
                ],
                Query(f"1000 * {figure(ENDED + '{here}', 'verb, outcome')}"),
                Query(figure("marquee_job_seconds{here}", "verb, outcome")),
                runbook="MarqueeJobFailed",
            ),
            series_panel(
                "Time that jobs take",
                "Seconds of the last run that went well, by verb.",
                "s",
                Query(figure('marquee_job_seconds{here,outcome="ok"}', "verb"), "{{verb}}"),
                look=Look(12, least=0),
            ),
        ],
    )


def room() -> Row:
    return Row(
        "Why? Is there room?",
        [
            series_panel(
                "Size of the database",
                "Bytes of the database, and the room that it has. `MarqueeDatabaseFull` wakes before it "
                "is full.",
                "bytes",
                Query(figure("marquee_database_bytes{here}"), "database"),
                Query(figure("marquee_database_limit_bytes{here}"), "room"),
                runbook="MarqueeDatabaseFull",
            ),
            series_panel(
                "Volumes",
                "Share of each volume that is used, as the kubelet tells.",
                "percentunit",
                Query(
                    f"max by ({VOLUMES}) (kubelet_volume_stats_used_bytes{{here}}"
                    " / kubelet_volume_stats_capacity_bytes{here})",
                    "{{persistentvolumeclaim}}",
                ),
                limits=low_is_well(0.8, 0.9),
                look=Look(least=0, most=1),
                runbook="MarqueeDatabaseFull",
                empty="not told here",
            ),
            series_panel(
                "Users and ratings",
                "Rows of the two tables that grow, as Postgres estimates them.",
                "short",
                Query(figure("marquee_table_rows{here}", "table"), "{{table}}"),
            ),
        ],
    )


def backups() -> Row:
    return Row(
        "Why? Is there a backup?",
        [
            series_panel(
                "Age of the last backup",
                "Time since a backup last ended well. A saw with a tooth a night.",
                "s",
                Query(f"time() - max by (cronjob) ({BACKUP})", "{{cronjob}}"),
                limits=low_is_well(30 * HOUR, 54 * HOUR),
                look=Look(12, least=0),
                runbook="MarqueeBackupOld",
                empty="no backups",
            ),
            series_panel(
                "Failed backups",
                "Jobs of the backup that the cluster still keeps and calls failed.",
                "none",
                Query('sum(kube_job_failed{here,condition="true",job_name=~".*backup.*"})', "failed"),
                look=Look(12, least=0),
                runbook="MarqueeBackupFailed",
                empty="no backups",
            ),
        ],
    )


BOARD = Board(
    name="data",
    title="Data",
    description="Did yesterday arrive, what was refused, did the jobs run, is there room, is there a backup?",
    sources=("api", "rules", "kube-state-metrics", "kubelet"),
    rows=lambda: (well(), days(), jobs(), room(), backups()),
    since="now-7d",
)
