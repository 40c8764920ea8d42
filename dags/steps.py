"""A step of a DAG is one verb of the command marquee: a process on one machine, a pod in the cluster.

Exit code 99 means that there was nothing to do: the step is skipped. What a verb records is the step's XCom.
"""

import json
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset, Param

SKIPPED = 99
RETRY_S = int(os.environ.get("MARQUEE_RETRY_S", "60"))
SHARDS = int(os.environ.get("MARQUEE_SHARDS", "2"))
FIRST_RUN = timedelta(minutes=5)  # of a DAG that is new here: later after the hour, it waits for tomorrow's
RATINGS = Asset("ratings", group="marquee")
DAY = "{{ day_of(params, dag_run, triggering_asset_events) }}"
FORCE = "{{ params.force or '' }}"
PARAMS = {
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="The day of the data (UTC). Empty: the day before the run.",
    ),
    "force": Param(
        None,
        type=["null", "string"],
        minLength=10,
        description="Why to go on where a rule would stop. It is kept. Empty: the rules hold.",
    ),
}
EACH = {"owner": "marquee", "retries": 2, "retry_delay": timedelta(seconds=RETRY_S)}
PATIENT = {"retries": 12, "retry_delay": timedelta(seconds=5 * RETRY_S)}  # files may still be on their way


def day_of(params: Mapping[str, Any], dag_run: Any, events: Mapping[Any, Any]) -> str:
    """The day that was asked for, else the newest that was loaded, else the one before the run."""
    loaded = [event.extra["day"] for some in events.values() for event in some if "day" in event.extra]
    run = (dag_run.logical_date or dag_run.run_after).astimezone(UTC)
    return params["day"] or max(loaded, default="") or f"{run - timedelta(days=1):%Y-%m-%d}"


def step(verb: str, words: Mapping[str, str], *, hours: int = 1, over: Any = None, **more: Any) -> Any:
    """`words` are the verb's options, or, in capitals, arguments; their values may be templates.
    `over` are the params of copies that run side by side."""
    longest = timedelta(hours=hours)
    if os.environ.get("MARQUEE_RUNNER") == "kubernetes":
        from pods import pod

        operator, how = pod(verb, words, longest)
    else:
        operator, how = BashOperator, _process(verb, words)
    what = {"task_id": verb, "execution_timeout": longest, "skip_on_exit_code": SKIPPED, **how, **more}
    return operator(**what) if over is None else operator.partial(**what).expand(params=over)


def _process(verb: str, words: Mapping[str, str]) -> dict[str, Any]:
    """What a person typed reaches bash in variables only. `exec` leaves one process to kill."""
    command = shlex.join(shlex.split(os.environ.get("MARQUEE_COMMAND", "marquee")))
    said = " ".join(f'"${name}"' if name.isupper() else f'--{name} "${name.upper()}"' for name in words)
    return {
        "bash_command": f"exec {command} --record - {verb} {said}".rstrip(),
        "env": {name.upper(): value for name, value in words.items()},
        "append_env": True,
        "output_processor": json.loads,
    }
