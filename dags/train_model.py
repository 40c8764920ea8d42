"""
# train-model: learn, judge, publish

It runs when **inject-data** has loaded a day, and at 07:45 UTC for ratings that came through the API. What
was learned from already is not learned from twice: then `snapshot` is skipped, and the rest with it.

| step | what it does |
|---|---|
| `snapshot` | exports what a model is fitted on, and what it is judged on, under a digest |
| `count` | counts one shard of the ratings; the shards run side by side |
| `train` | adds the counts and fits a candidate |
| `evaluate` | the gate: compares candidate, champion and popularity on users that no model was trained on |
| `publish` | makes the candidate the champion; the API takes it within seconds |
| `refold` | folds all users into the champion's space |
| `recommend-all` | nightly lists, for the clients that ask for them |
| `drift` | how today's histories differ from those that the champion was trained on |
| `tidy` | what is past its time: the log, keys, data of trainings, models; erases deleted users from files |

| outcome | what it means, what to do |
|---|---|
| only `tidy` ran | the same data were judged before; give a reason in `force` to learn from them again |
| `publish` skipped | **the gate refused the candidate**: its log says why. The champion goes on serving |
| `recommend-all` skipped | no client asks for nightly lists |
| red | the log's last line says why. Clear the task: every step may run again |

With a reason in `force`, a refused candidate is published, unless it is damaged; the reason is kept.
To go back to an earlier version: `marquee rollback`.
"""

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule, chain, dag
from steps import DAY, EACH, FIRST_RUN, FORCE, PARAMS, RATINGS, SHARDS, day_of, step

PARTS = Param(SHARDS, type="integer", minimum=1, maximum=512, description="Shards, counted side by side.")
CANDIDATE = {"VERSION": "{{ ti.xcom_pull('train').version }}"}


@dag(
    dag_id="train-model",
    doc_md=__doc__,
    description="Learn from all ratings, judge the candidate, publish it",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("45 7 * * *", timezone="UTC", run_immediately=FIRST_RUN),
        assets=[RATINGS],
    ),
    catchup=False,
    max_active_runs=1,
    allowed_run_types=["scheduled", "asset_triggered", "manual"],  # a backfill would run beside these
    params=PARAMS | {"shards": PARTS},
    default_args=EACH,
    user_defined_macros={"day_of": day_of},
    tags=["marquee", "daily", "model"],
)
def train_model() -> None:
    some = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    sample = {"day": DAY, "shards": "{{ params.shards }}", "force": FORCE}
    snapshot = step("snapshot", sample, hours=2)  # its record is the list of shards
    shard = {"digest": "{{ params.digest }}", "shard": "{{ params.shard }}"}
    count = step("count", shard, over=snapshot.output)
    train = step("train", sample | {"digest": "{{ ti.xcom_pull('snapshot')[0].digest }}"}, hours=6)
    evaluate = step("evaluate", CANDIDATE, hours=2)
    publish = step("publish", CANDIDATE | {"force": FORCE})
    refold = step("refold", {}, hours=6, trigger_rule=some)
    recommend_all = step("recommend-all", {"day": DAY}, hours=6)
    drift = step("drift", {"day": DAY}, trigger_rule=some)
    tidy = step("tidy", {}, trigger_rule=TriggerRule.NONE_FAILED)
    chain(snapshot, count, train, evaluate, publish, refold, recommend_all, drift, tidy)
    evaluate >> refold >> drift  # a refused candidate and a day without lists are no reason to stop


train_model()
