"""Airflow: do the DAGs run, do they succeed, and if not, which task, or is it the scheduler."""

from dashboards.boards.board import Board, Row, Variable
from dashboards.boards.panels import (
    Column,
    Look,
    high_is_well,
    low_is_well,
    series_panel,
    stat_panel,
    table_panel,
)
from dashboards.boards.queries import Query, rate
from dashboards.boards.scheduler import scheduler

RUNS = "airflow_dagrun_duration_seconds_count{airflow}"
FAILED = 'airflow_dagrun_duration_seconds_count{airflow,state="failed"}'
BEAT = "airflow_scheduler_heartbeat{airflow}"
KEEPS = "The exporter forgets them when it restarts."

NAMESPACE = Variable(
    "airflow", "Airflow", "label_values(airflow_scheduler_heartbeat, namespace)", "The namespace of Airflow."
)


def happened(counter: str, by: str) -> str:
    """A counter of Airflow is born with its first event, which `increase` does not see."""
    born = f"({counter} unless {counter} offset $__range)"
    return f"sum by ({by}) ((increase({counter}[shown]) > 0) or {born})"


def mean(histogram: str, by: str) -> str:
    total, count = (f"sum by ({by}) ({histogram}_{part}{{airflow}})" for part in ("sum", "count"))
    return f"{total} / ({count} > 0)"


def well() -> Row:
    return Row(
        "Is it well?",
        [
            stat_panel(
                "Heartbeats",
                "Heartbeats of the scheduler in a minute: about 12. 0: no DAG starts.",
                "none",
                Query(f"60 * {rate(BEAT)}"),
                limits=high_is_well(1, 6),
                look=Look(4, 4, decimals=0),
                runbook="AirflowSchedulerSilent",
                empty="silent",
            ),
            stat_panel(
                "Failed runs",
                "Runs of DAGs that failed in the time shown.",
                "none",
                Query(f"sum({happened(FAILED, 'dag_id')}) or 0 * sum({BEAT})"),
                limits=low_is_well(1, 1),
                look=Look(4, 4, decimals=0),
                runbook="AirflowDagFailed",
            ),
            stat_panel(
                "Running",
                "Runs of DAGs that are under way.",
                "none",
                Query("sum(airflow_scheduler_dagruns_running{airflow})"),
            ),
            stat_panel(
                "Files that cannot be read",
                "DAG files with an error in them: their DAGs do not run.",
                "none",
                Query("max(airflow_dag_processing_import_errors{airflow})"),
                limits=low_is_well(1, 1),
                runbook="AirflowImportErrors",
            ),
            stat_panel(
                "Tasks waiting",
                "Tasks that wait for a place in the executor.",
                "none",
                Query("sum(airflow_executor_queued_tasks{airflow})"),
                limits=low_is_well(5, 20),
                runbook="AirflowTasksQueued",
            ),
            stat_panel(
                "Places free",
                "Tasks that the executor could start now.",
                "none",
                Query("sum(airflow_executor_open_slots{airflow})"),
                limits=high_is_well(1, 1),
                runbook="AirflowTasksQueued",
            ),
        ],
    )


def runs() -> Row:
    return Row(
        "Did the DAGs run?",
        [
            table_panel(
                "Runs that ended",
                f"How many runs ended, and how, in the time shown. {KEEPS}",
                [Column("dag_id", "DAG"), Column("state", "ended"), Column("Value", "runs", "none")],
                Query(f"round({happened(RUNS, 'dag_id, state')})"),
                look=Look(8),
                runbook="AirflowDagFailed",
                empty="none ended",
            ),
            series_panel(
                "Runs, counted",
                f"Runs that ended since the exporter started: a step up is a run. {KEEPS}",
                "none",
                Query(f"sum by (dag_id, state) ({RUNS})", "{{dag_id}} {{state}}"),
                runbook="AirflowDagLate",
            ),
            series_panel(
                "Time of a run",
                "Mean time of the runs counted, by how they ended.",
                "s",
                Query(mean("airflow_dagrun_duration_seconds", "dag_id, state"), "{{dag_id}} {{state}}"),
                runbook="AirflowDagLate",
            ),
            series_panel(
                "Late starts",
                "Mean time between when a run was due and when it started.",
                "s",
                Query(mean("airflow_dagrun_schedule_delay_seconds", "dag_id"), "{{dag_id}}"),
                runbook="AirflowDagLate",
            ),
            series_panel(
                "Assets",
                "Updates of assets, and runs that they started: a day that is loaded starts a training.",
                "none",
                Query("sum(airflow_asset_updates{airflow})", "updates"),
                Query("sum(airflow_asset_triggered_dagruns{airflow})", "runs started"),
                empty="none yet",
            ),
            series_panel(
                "Runs under way",
                "Runs of DAGs that are under way.",
                "none",
                Query("sum(airflow_scheduler_dagruns_running{airflow})", "running"),
            ),
        ],
    )


def tasks() -> Row:
    ended = ("airflow_ti_successes{airflow}", "airflow_ti_failures{airflow}")
    return Row(
        "Why? The tasks",
        [
            table_panel(
                "Tries by task",
                "Tries that went well and that failed in the time shown; a failed try is tried again.",
                [
                    Column("dag_id", "DAG"),
                    Column("task_id", "task"),
                    Column("Value #A", "well", "none"),
                    Column("Value #B", "failed", "none"),
                ],
                *(Query(f"round({happened(counter, 'dag_id, task_id')})") for counter in ended),
                runbook="AirflowDagFailed",
                empty="none ended",
            ),
            series_panel(
                "Time of a task",
                "Mean time of a try of each task.",
                "s",
                Query(mean("airflow_task_duration_seconds", "dag_id, task_id"), "{{dag_id}} {{task_id}}"),
                look=Look(12, least=0),
                runbook="AirflowDagLate",
            ),
            series_panel(
                "Tasks now",
                "Tasks that run, and that wait for their pod (deferred).",
                "none",
                Query("sum(airflow_ti_running{airflow})", "running"),
                Query("sum(airflow_ti_deferred{airflow})", "deferred"),
                empty="none",
            ),
            series_panel(
                "Wait before a task",
                "Mean time that a task is ready to run before it is queued.",
                "s",
                Query(mean("airflow_task_scheduled_duration_seconds", "dag_id, task_id"), "{{task_id}}"),
                runbook="AirflowTasksQueued",
            ),
            series_panel(
                "How tries end",
                f"Tries by how they ended, since the exporter started. {KEEPS}",
                "none",
                Query("sum by (state) (airflow_ti_finish{airflow})", "{{state}}"),
                runbook="AirflowDagFailed",
            ),
        ],
    )


BOARD = Board(
    name="airflow",
    title="Airflow",
    description="Do the DAGs run, do they succeed; and if not, which task, or is it the scheduler?",
    sources=("airflow",),
    rows=lambda: (well(), runs(), tasks(), scheduler()),
    variables=(NAMESPACE,),
    since="now-2d",
)
