"""What the units of a record come to: means over users, and differences in pairs with their errors."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender.bench.quality import AROUND, STRONG, TEMPORAL
from recommender.bench.record import Unit
from recommender.bench.situations import OURS
from recommender.evaluation import Floats, Ints, paired

_MEASURES = ("coverage", "novelty", "fit_s", "list_ms", "size_mb")


def summary(units: dict[str, Unit], seeds: Sequence[int]) -> Unit:
    around = [units[f"{AROUND}/{seed}"] for seed in seeds]
    return {
        STRONG: _protocol(units, STRONG, seeds),
        TEMPORAL: _protocol(units, TEMPORAL, (0,)),
        "situations": _situations([*around, units[f"{AROUND}/time"]]),
        "exchange": _exchange([unit["exchange"] for unit in around]),
        "swap": _swap([unit["swap"] for unit in around]),
    }


def _protocol(units: dict[str, Unit], protocol: str, seeds: Sequence[int]) -> Unit:
    """Of the models that every seed has: a record may hold one that was installed only then."""
    names = [name.split("/", 2)[2] for name in units if name.startswith(f"{protocol}/{seeds[0]}/")]
    keys = {name: [f"{protocol}/{seed}/{name}" for seed in seeds] for name in names}
    found = {name: [units[key] for key in own] for name, own in keys.items() if units.keys() >= set(own)}
    ours = _joined(found[OURS], "ndcg")
    users = _users(found[OURS])
    rows = {name: _model(parts, ours, users) for name, parts in found.items()}
    return dict(sorted(rows.items(), key=lambda row: -row[1]["ndcg"]))


def _model(parts: Sequence[Unit], ours: Floats, users: Ints) -> Unit:
    ndcg = _joined(parts, "ndcg")
    ahead, error = paired(ours, ndcg, users)
    told = {"ndcg": ndcg.mean(), "recall": _joined(parts, "recall").mean(), "ahead": ahead, "error": error}
    counts = {"users": len(np.unique(users)), "lists": len(users), "threads": parts[0]["settings"]["threads"]}
    return {**told, **counts, **{m: statistics.fmean(part[m] for part in parts) for m in _MEASURES}}


def _situations(parts: Sequence[Unit]) -> Unit:
    """Of each the ways, the best first but for ours; one user says nothing of others."""
    names = dict.fromkeys(name for part in parts for name in part["situations"])
    found = {name: [p["situations"][name] for p in parts if name in p["situations"]] for name in names}
    return {name: _situation(asked) for name, asked in found.items() if len(np.unique(_users(asked))) > 1}


def _situation(parts: Sequence[Unit]) -> Unit:
    users = _users(parts)
    ndcg = {way: np.concatenate([part["ndcg"][way] for part in parts]) for way in parts[0]["ndcg"]}
    ways = {way: _way(ndcg[OURS], values, users) for way, values in ndcg.items() if way != OURS}
    ranked = dict(sorted(ways.items(), key=lambda way: -way[1]["ndcg"]))
    counts = {"users": len(np.unique(users)), "lists": len(users)}
    return {**counts, "ndcg": ndcg[OURS].mean(), "beside": ranked}


def _way(ours: Floats, theirs: Floats, users: Ints) -> Unit:
    ahead, error = paired(ours, theirs, users)
    return {"ndcg": theirs.mean(), "ahead": ahead, "error": error}


def _exchange(parts: Sequence[Unit]) -> Unit:
    return {
        diversity: {
            measure: _mean([part[diversity] for part in parts], measure) for measure in parts[0][diversity]
        }
        for diversity in parts[0]
    }


def _swap(parts: Sequence[Unit]) -> Unit:
    """A user may be new to one seed and trained in another."""
    groups = {who: [part[who] for part in parts] for who in ("new", "trained")}
    kept = {who: _joined(group, "kept") for who, group in groups.items()}
    means = {who: float(values.mean()) for who, values in kept.items()}
    lists = sum(map(len, kept.values()))
    off = {who: (values - means[who]) * lists / len(values) for who, values in kept.items()}
    _, error = paired(
        np.concatenate([off["new"], np.zeros(len(off["trained"]))]),
        np.concatenate([np.zeros(len(off["new"])), off["trained"]]),
        np.concatenate([_users(group) for group in groups.values()]),
    )
    return {**means, "ahead": means["new"] - means["trained"], "error": error}


def _joined(parts: Sequence[Unit], column: str) -> Floats:
    return np.concatenate([np.asarray(part[column], np.float64) for part in parts])


def _mean(parts: Sequence[Unit], column: str) -> float:
    return float(_joined(parts, column).mean())


def _users(parts: Sequence[Any]) -> Ints:
    return np.concatenate([np.asarray(part["users"], np.int64) for part in parts])
