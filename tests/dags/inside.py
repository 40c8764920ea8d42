"""What Airflow makes of the DAG files, as JSON. In its environment: python inside.py DAGS_FOLDER REASON"""

import json
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk.exceptions import ParamValidationError
from kubernetes.client import ApiClient  # type: ignore[import-not-found]

FOLDER, REASON = sys.argv[1:]
HEAVY = {"api", "fastapi", "numpy", "pandas", "pyarrow", "recommender", "scipy", "sklearn"}

TYPED = [
    ("day", None),
    ("day", "2026-01-31"),
    ("day", "2026-02-30"),
    ("day", "20260131"),
    ("day", "2026-01-31; true"),
    ("day", 20260131),
    ("force", None),
    ("force", "the files were mended"),
    ("force", "because"),
]


def main() -> None:
    before, began = set(sys.modules), time.process_time()
    sys.path.insert(0, FOLDER)
    bag = DagBag(FOLDER)
    told = {
        "import_errors": bag.import_errors,
        "parse_s": time.process_time() - began,
        "heavy": sorted(HEAVY & (set(sys.modules) - before)),
        "dags": {name: of_dag(dag) for name, dag in bag.dags.items()},
    }
    sys.stdout.write(json.dumps(told, default=str))


def of_dag(dag: Any) -> dict[str, Any]:
    return {
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "kinds_of_run": sorted(kind.value for kind in dag.allowed_run_types or ()),
        "schedule": repr(dag.timetable),
        "refuses": [[name, typed] for name, typed in TYPED if not takes(dag, name, typed)],
        "tasks": {task.task_id: of_task(dag, task) for task in dag.tasks},
    }


def takes(dag: Any, name: str, typed: Any) -> bool:
    try:
        dag.params.get_param(name).resolve(typed)
    except ParamValidationError:
        return False
    return True


def of_task(dag: Any, task: Any) -> dict[str, Any]:
    mapped = task.is_mapped
    told = {
        "owner": task.owner,
        "retries": task.retries,
        "retry_delay_s": task.retry_delay.total_seconds(),
        "timeout_s": task.execution_timeout.total_seconds(),
        "rule": task.trigger_rule,
        "after": sorted(task.upstream_task_ids),
        "outlets": [asset.name for asset in task.outlets],
        "mapped": mapped,
    }
    one = task.unmap({"params": {"digest": "d1", "shard": 3}}) if mapped else task
    one.render_template_fields(context(dag, one))
    return told | (of_process(one) if isinstance(one, BashOperator) else of_pod(one))


def context(dag: Any, task: Any) -> dict[str, Any]:
    run = SimpleNamespace(logical_date=None, run_after=datetime(2026, 3, 1, 7, tzinfo=UTC))
    records = {"snapshot": [{"digest": "d1", "shard": 0}], "train": {"version": "v1"}}
    typed = {name: dag.params.get_param(name).value for name in dag.params} | {"force": REASON}
    return {
        "params": typed | task.params.dump() | {"force": REASON},
        "dag_run": run,
        "triggering_asset_events": {},
        "ti": SimpleNamespace(xcom_pull=records.get),
        "task": task,
    }


def of_process(task: Any) -> dict[str, Any]:
    return {
        "operator": "bash",
        "command": task.bash_command,
        "env": task.env,
        "skips": task.skip_on_exit_code,
    }


def of_pod(task: Any) -> dict[str, Any]:
    return {
        "operator": "pod",
        "pod": ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=task.in_cluster)),
        "in_cluster": task.in_cluster,
        "deferrable": task.deferrable,
        "skips": task.skip_on_exit_code,
    }


if __name__ == "__main__":
    main()
