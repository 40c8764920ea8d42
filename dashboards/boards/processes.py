"""Why the API is not well: its model, its connections, its processes."""

from dashboards.boards.board import Row
from dashboards.boards.panels import Column, Look, low_is_well, series_panel, table_panel
from dashboards.boards.queries import Query, figure, grown, rate

PROCESS = "pod, instance"
NAME = "{{pod}} {{instance}}"


def versions() -> Row:
    return Row(
        "Why? Model and database",
        [
            table_panel(
                "Versions by process",
                "The model version that each process serves. All the same, a minute after a publication.",
                [
                    Column("pod", "pod"),
                    Column("instance", "process"),
                    Column("version", "model version"),
                ],
                Query("max by (pod, instance, version) (marquee_model_info{here}) == 1"),
                runbook="MarqueeVersionsDiffer",
                empty="no model is loaded",
            ),
            series_panel(
                "Processes in trouble",
                "Processes that Postgres does not answer, that have no model, or that find a wrong "
                "schema. 0 is well.",
                "none",
                Query("sum(1 - marquee_database_up{here})", "no database"),
                Query("sum(1 - marquee_model_loaded{here})", "no model"),
                Query("sum(1 - marquee_schema_ok{here})", "wrong schema"),
                look=Look(12, least=0),
                runbook="MarqueeDatabaseAway",
            ),
            series_panel(
                "Connections in use",
                "Connections to Postgres that requests hold, and the most that each process keeps.",
                "none",
                Query(f"sum by ({PROCESS}) (marquee_database_pool_in_use{{here}})", f"in use {NAME}"),
                Query("min(marquee_database_pool_size{here})", "most"),
                runbook="MarqueePoolFull",
            ),
            series_panel(
                "Waiting for a connection",
                "Seconds that requests waited for a connection, in each second. Above 1 somebody always "
                "waits.",
                "s",
                Query(rate("marquee_database_pool_wait_seconds_total{here}", PROCESS), NAME),
                limits=low_is_well(0.5, 1),
                runbook="MarqueePoolFull",
            ),
            series_panel(
                "Waits",
                "Times in a second that somebody waited for a connection, or made one.",
                "suffix: /s",
                Query(rate("marquee_database_pool_waits_total{here}", PROCESS), NAME),
                runbook="MarqueePoolFull",
            ),
            series_panel(
                "Models refused",
                "Models that could not be loaded, in five minutes; the old one goes on serving.",
                "none",
                Query(grown("marquee_model_load_failures_total{here}", window="5m"), "refused"),
                runbook="MarqueeModelLoadFails",
            ),
            series_panel(
                "Lines of the log lost",
                "Rows of what was served that were lost, in five minutes: their feedback counts as `other`.",
                "none",
                Query(grown("marquee_served_log_dropped_total{here}", window="5m"), "lost"),
                runbook="MarqueeServedLogLost",
            ),
            series_panel(
                "Errors in the background",
                "Errors that nobody foresaw, in five minutes, by thread; the thread goes on.",
                "none",
                Query(grown("marquee_background_failures_total{here}", "thread", window="5m"), "{{thread}}"),
                runbook="MarqueeBackgroundFails",
                empty="none yet",
            ),
        ],
    )


def processes() -> Row:
    return Row(
        "Why? The processes",
        [
            series_panel(
                "Memory",
                "Memory that each process holds.",
                "bytes",
                Query(f"sum by ({PROCESS}) (process_resident_memory_bytes{{ours}})", NAME),
            ),
            series_panel(
                "Processor",
                "Cores that each process uses; one process uses little more than one.",
                "none",
                Query(rate("process_cpu_seconds_total{ours}", PROCESS), NAME),
            ),
            series_panel(
                "Open files",
                "Share of the files and connections that a process may open.",
                "percentunit",
                Query(f"max by ({PROCESS}) (process_open_fds{{ours}} / process_max_fds{{ours}})", NAME),
                limits=low_is_well(0.7, 0.9),
            ),
            series_panel(
                "Bytes of bodies",
                "Bytes in a second that requests bring and answers take.",
                "Bps",
                Query(rate("http_request_size_bytes_sum{ours}"), "requests"),
                Query(rate("http_response_size_bytes_sum{ours}"), "answers"),
            ),
            table_panel(
                "Running since",
                "When each process started, and the release of Marquee that it runs.",
                [
                    Column("pod", "pod"),
                    Column("instance", "process"),
                    Column("version", "release"),
                    Column("Value", "started", "dateTimeFromNow"),
                ],
                Query(
                    f"1000 * max by ({PROCESS}) (process_start_time_seconds{{ours}})"
                    f" * on ({PROCESS}) group_right ()"
                    f" max by ({PROCESS}, version) (marquee_build_info{{here}})"
                ),
                look=Look(8),
            ),
            series_panel(
                "Age of the figures",
                "How long ago each process last read days, trainings and jobs from Postgres; it does "
                "every 30 s.",
                "s",
                Query(f"time() - {figure('marquee_figures_timestamp_seconds{here}', PROCESS)}", NAME),
                limits=low_is_well(120, 300),
                runbook="MarqueeFiguresStale",
            ),
        ],
    )


def pods() -> Row:
    return Row(
        "Why? The pods, as the cluster tells",
        [
            series_panel(
                "Restarts",
                "Restarts of a pod's container in the hour before, as the cluster tells.",
                "none",
                Query(
                    "sum by (pod) (increase("
                    'kube_pod_container_status_restarts_total{here,container="api"}[1h]))',
                    "{{pod}}",
                ),
                runbook="MarqueeDown",
                empty="not told here",
            ),
            table_panel(
                "Why containers stopped",
                "Why each container last stopped, and why it waits now. OOMKilled: it wanted more memory "
                "than its limit.",
                [
                    Column("pod", "pod"),
                    Column("container", "container"),
                    Column("reason", "reason"),
                ],
                Query(
                    "max by (pod, container, reason) ("
                    "kube_pod_container_status_last_terminated_reason{here} > 0"
                    " or kube_pod_container_status_waiting_reason{here} > 0)"
                ),
                look=Look(16),
                runbook="MarqueeDown",
                empty="none has stopped",
            ),
        ],
    )
