"""Measures a candidate beside popularity and the champion, and asks the gate."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from sqlalchemy import Engine
from threadpoolctl import threadpool_limits

from recommender.catalogue import Catalogue
from recommender.database import transaction
from recommender.errors import BadArtifact, Failed, NothingToDo
from recommender.evaluation import Average, Case, Ints, Metrics, lists_of, scored
from recommender.files import Store
from recommender.history import History
from recommender.learning.cases import Bools, Cases, groups, read_cases
from recommender.learning.gate import Champion, Compared, Evidence, Verdict, in_words, judge
from recommender.learning.training_data import in_gate
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.ranking import Ranker
from recommender.registry import Entry, champion, entry, record_verdict

K = 10
_AT_ONCE = 256  # tastes whose scores are looked at together
Progress = Callable[[str], None]
Report = dict[str, Any]


def evaluate(
    engine: Engine,
    data: Store,
    models: ModelStore,
    version: str | None = None,
    progress: Progress = lambda _: None,
) -> Verdict:
    """Of the last trained version unless one is named; what was measured and the verdict are recorded."""
    with transaction(engine) as connection:
        candidate, current = entry(connection, version), champion(connection)
        catalogue = read_catalogue(connection)
    if candidate.status == "published":
        said = in_words(candidate.verdict) if candidate.verdict else "none"
        raise NothingToDo(f"{candidate.version} was published already. Its verdict stands: {said}")
    progress(f"judging {candidate.version}, of {candidate.day}")
    with threadpool_limits(1):  # one user's scores are too little work for two threads to wait for each other
        evidence, report = _evidence(data, models, catalogue, candidate, current, progress)
    verdict = judge(evidence)
    with transaction(engine) as connection:
        record_verdict(connection, candidate.version, report, asdict(verdict))
    return verdict


def _evidence(
    data: Store,
    models: ModelStore,
    catalogue: Catalogue,
    candidate: Entry,
    current: Entry | None,
    progress: Progress,
) -> tuple[Evidence, Report]:
    if candidate.day is None:
        raise Failed(f"{candidate.version} names no day, as models of older code do: train again.")
    against = Champion(current.version, current.day) if current else None
    evidence = Evidence(candidate.version, candidate.day, champion=against)
    try:
        model = models.load(candidate.version)
    except BadArtifact as error:
        return replace(evidence, fault=str(error)), {}
    cases = read_cases(data, candidate.card["data"]["digest"])
    progress(f"{len(cases.strong):,} held-out users, {len(cases.newest):,} users of the newest day")
    asked = (case.history for case in (*cases.strong, *cases.newest))
    if fault := _fault(model, chain(_likes(model), asked)):
        return replace(evidence, cases=len(cases.strong), fault=fault), {}
    trial = _Trial(_counted(catalogue, cases), cases)
    ours, popular = trial.earned(model), trial.earned(None)
    rival, theirs = _rival(trial, models, ours, candidate, current) if current else (None, None)
    evidence = replace(
        evidence,
        cases=len(cases.strong),
        popularity=Compared.of(ours.strong.ndcg, popular.strong.ndcg),
        coverage=ours.strong.coverage,
        champion=rival,
        strong_unshown=cases.strong_unshown,
        newest_unshown=cases.newest_unshown,
    )
    reports = {"candidate": ours, "champion": theirs, "popularity": popular}
    report = {"k": K, "movies": len(catalogue), "head": len(cases.head)}
    return evidence, report | {who: earned.report for who, earned in reports.items() if earned}


def _counted(catalogue: Catalogue, cases: Cases) -> Catalogue:
    """Popularity as the candidate could know it, without the ratings that it is asked about."""
    known = (catalogue.movie(movie_id) for movie_id in catalogue.movie_ids.tolist())
    return Catalogue((movie for movie in known if movie), cases.popularity)


def _rival(
    trial: "_Trial", models: ModelStore, ours: "_Earned", candidate: Entry, current: Entry
) -> tuple[Champion, "_Earned | None"]:
    try:
        theirs = trial.earned(_comparable(models, current))
    except BadArtifact as error:
        return Champion(current.version, current.day, fault=str(error)), None
    fair = _unseen(trial.cases.strong, candidate, current) & trial.cases.strong_fair
    strong = Compared.of(ours.strong.ndcg[fair], theirs.strong.ndcg[fair])
    unseen = current.day and candidate.day and current.day <= candidate.day
    newest = Compared.of(ours.newest.ndcg, theirs.newest.ndcg) if unseen else None
    return Champion(current.version, current.day, None, strong, newest, theirs.strong.coverage), theirs


def _comparable(models: ModelStore, current: Entry) -> Model:
    """Refuses a champion that held nobody out."""
    if current.day is None or not _held_out(current):
        raise BadArtifact(f"{current.version} was trained on users whom the candidate has not seen")
    return models.load(current.version)


def _held_out(model: Entry) -> float:
    return float(model.card.get("data", {}).get("share", 0.0))


def _unseen(cases: Sequence[Case], candidate: Entry, current: Entry) -> Bools:
    """Users whom the champion held out too: all of them, unless it was made beside the candidate."""
    share = _held_out(current)
    wider = share >= _held_out(candidate)
    return np.array([wider or in_gate(case.user, share) for case in cases], bool)


@dataclass(frozen=True, slots=True)
class _Earned:
    """Case by case, and for each group of users."""

    strong: Metrics
    newest: Metrics
    report: Report


@dataclass(frozen=True, slots=True)
class _Trial:
    """Who is asked about, and the catalogue that is ranked for each."""

    catalogue: Catalogue
    cases: Cases

    def earned(self, model: Model | None) -> _Earned:
        """None: by popularity alone."""
        ranker, size = Ranker(self.catalogue, model), len(self.catalogue)
        strong = lists_of(ranker, self.cases.strong, K)
        newest = lists_of(ranker, self.cases.newest, K)
        held_out = scored(strong, self.cases.strong, size, K)
        report = {
            "version": model and model.version,
            "coverage": held_out.coverage,
            "strong": self._by_group(strong, self.cases.strong),
            "newest": self._by_group(newest, self.cases.newest),
        }
        return _Earned(held_out, scored(newest, self.cases.newest, size, K), report)

    def _by_group(self, lists: Sequence[Ints], cases: Sequence[Case]) -> Report:
        report = {}
        for name, group in groups(cases, self.cases.head).items():
            shown = [lists[place] for place in group.places]
            earned = scored(shown, group.cases, len(self.catalogue), K)
            ndcg, recall = Average.of(earned.ndcg), Average.of(earned.recall)
            report[name] = {"ndcg": asdict(ndcg), "recall": asdict(recall)}
        return report


def _likes(model: Model) -> Iterator[History]:
    """Nothing, and every movie once: for a model is tried though nobody is held out."""
    yield History.of([])
    for some in np.array_split(model.movie_ids, min(_AT_ONCE, max(1, len(model.movie_ids) // K))):
        yield History.of(some)


def _fault(model: Model, histories: Iterable[History]) -> str | None:
    """Tables of finite numbers may still make scores that are none."""
    rest, broken, asked = iter(histories), 0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        while some := [model.taste(history) for history in islice(rest, _AT_ONCE)]:
            scores = np.stack([taste.vector for taste in some]) @ model.right.T
            broken += int((~np.isfinite(scores).all(axis=1)).sum())
            asked += len(some)
    return f"{broken:,} of {asked:,} histories get scores that are not finite" if broken else None
