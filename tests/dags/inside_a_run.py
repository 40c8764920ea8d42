"""Runs of DAGs in a real Airflow, as JSON. There: python inside_a_run.py DAGS_FOLDER CONF DAG..."""

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

FOLDER, CONF, *DAGS = sys.argv[1:]


def main() -> None:
    sys.path.insert(0, FOLDER)
    bag = DagBag(FOLDER)
    told = {}
    for dag in DAGS:
        run = bag.dags[dag].test(run_conf=json.loads(CONF))
        told[dag] = {"state": str(run.state), "tasks": tasks(run.run_id), "records": records(run.run_id)}
    sys.stdout.write("\n" + json.dumps(told))


def tasks(run: str) -> dict[str, list[Any]]:
    """The state and the number of tries of each."""
    with create_session() as session:
        found = session.scalars(select(TaskInstance).where(TaskInstance.run_id == run)).all()
        return {named(one): [one.state, one.try_number] for one in found}


def records(run: str) -> dict[str, Any]:
    with create_session() as session:
        asked = select(XComModel).where(XComModel.run_id == run, XComModel.key == "return_value")
        return {named(one): one.value for one in session.scalars(asked).all()}


def named(one: Any) -> str:
    return one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]"


if __name__ == "__main__":
    main()
