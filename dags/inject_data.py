"""
# inject-data: the files of a day, into the database

Every morning at 07:00 UTC the run takes **yesterday's** files. Each step is a verb that a person can run too.

| step | what it does | its log says |
|---|---|---|
| `fetch` | copies `simulation_data/DAY` to `raw/DAY`, when its manifest is there and true | files, bytes |
| `process` | cleans it into `processed/DAY`; refused rows go to `no_injected_data/DAY` | refused rows, why |
| `load` | brings it into Postgres, then tells **train-model** (the asset `ratings`) | rows loaded |

**Trigger it** with a `day`, or none for yesterday. With a reason in `force`, a day is loaded although too
much of it was refused; the reason is kept. Days are independent: a backfill runs several side by side. The
same day again changes nothing.

| outcome | what it means, what to do |
|---|---|
| all skipped | there is no folder for that day: nothing was sent |
| `fetch` waits for a retry | the manifest is missing or not true yet: the day is still being sent |
| `process` is red | too many rows were refused; the log counts the reasons. Mend the files, or force it |
| `load` is red | the database did not answer, or said why not; nothing half-done is there. Clear the task |
"""

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import CronTriggerTimetable, Metadata, chain, dag
from steps import DAY, EACH, FIRST_RUN, FORCE, PARAMS, PATIENT, RATINGS, day_of, step


def tell_the_day(_context: Any, record: Mapping[str, Any]) -> Iterator[Metadata]:
    yield Metadata(RATINGS, {"day": record["day"]})


@dag(
    dag_id="inject-data",
    doc_md=__doc__,
    description="The files of a day, into the database",
    schedule=CronTriggerTimetable("0 7 * * *", timezone="UTC", run_immediately=FIRST_RUN),
    catchup=False,
    max_active_runs=4,
    params=PARAMS,
    default_args=EACH,
    user_defined_macros={"day_of": day_of},
    tags=["marquee", "daily", "data"],
)
def inject_data() -> None:
    chain(
        step("fetch", {"day": DAY, "force": FORCE}, **PATIENT),
        step("process", {"day": DAY, "force": FORCE}),
        step("load", {"day": DAY}, outlets=[RATINGS], post_execute=tell_the_day),
    )


inject_data()
