"""Why Airflow is not well: its programs, its places for tasks, its files."""

from dashboards.boards.board import Row
from dashboards.boards.panels import series_panel
from dashboards.boards.queries import Query, quantile, rate

BEATS = ("scheduler", "dag_processor", "triggerer")


def scheduler() -> Row:
    return Row(
        "Why? Scheduler, executor, files",
        [
            series_panel(
                "Heartbeats by program",
                "Heartbeats in a minute of the three programs that must live: about 12 each.",
                "none",
                *(Query(f"60 * {rate(f'airflow_{one}_heartbeat{{airflow}}')}", one) for one in BEATS),
                runbook="AirflowSchedulerSilent",
            ),
            series_panel(
                "Round of the scheduler",
                "95 of 100 rounds of the scheduler take no longer than this.",
                "s",
                Query(
                    quantile(0.95, "airflow_scheduler_scheduler_loop_duration_seconds_bucket{airflow}"),
                    "95 %",
                ),
                runbook="AirflowSchedulerSilent",
            ),
            series_panel(
                "Executor",
                "Places free, tasks that run, tasks that wait for a place.",
                "none",
                Query("sum(airflow_executor_open_slots{airflow})", "free"),
                Query("sum(airflow_executor_running_tasks{airflow})", "running"),
                Query("sum(airflow_executor_queued_tasks{airflow})", "waiting"),
                runbook="AirflowTasksQueued",
            ),
            series_panel(
                "Pools",
                "Places of each pool that are free, used, or waited for.",
                "none",
                *(
                    Query(f"sum by (pool_name) (airflow_pool_{part}{{airflow}})", f"{{{{pool_name}}}} {name}")
                    for part, name in (
                        ("open_slots", "free"),
                        ("running_slots", "used"),
                        ("queued_slots", "waiting"),
                        ("starving_tasks", "without a place"),
                    )
                ),
                runbook="AirflowTasksQueued",
            ),
            series_panel(
                "Reading of DAG files",
                "Time since each file was last read; about half a minute is normal.",
                "s",
                Query(
                    "max by (file_name) (airflow_dag_processing_last_run_seconds_ago{airflow})",
                    "{{file_name}}",
                ),
                runbook="AirflowImportErrors",
            ),
            series_panel(
                "Measurements lost",
                "Packets in a second that were lost between Airflow and the exporter: figures here are "
                "too low.",
                "suffix: /s",
                Query(rate("statsd_exporter_udp_packet_drops_total{airflow}"), "lost"),
            ),
        ],
    )
