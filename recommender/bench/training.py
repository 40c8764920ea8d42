"""How fast a model is fitted, and brought up to date with a day, beside implicit's on the same ratings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.bench.apart import Cost, apart, cost, threads
from recommender.bench.synthetic import Table, catalogue, made
from recommender.errors import Failed
from recommender.model import DEFAULTS, fit_sums
from recommender.products import Ints
from recommender.progress import Progress
from recommender.statistics import Rows, Statistics, summed, updated

ALS, COUNT, FIT, DAY, REFIT = "implicit ALS", "statistics", "fit", "statistics, one day", "fit again"
_FACTORS, _ITERATIONS = 64, 15
_YESTERDAY, _TODAY = "yesterday", "today"


@dataclass(frozen=True, slots=True)
class Asked:
    titles: int
    ratings: int
    per_user: int
    repeats: int
    als: bool


def can_measure_als() -> bool:
    return find_spec("implicit") is not None


def measure(folder: Path, asked: Asked, progress: Progress) -> dict[str, Any]:
    """Every part of every round in a process of its own; the rounds go one after the other."""
    names = [ALS] * asked.als + [COUNT, FIT, DAY, REFIT]
    steps = 2 + len(names) * asked.repeats
    progress("parts", 0, steps)
    data = apart(_make, folder, asked.titles, asked.ratings, asked.per_user)
    progress("parts", 1, steps)
    apart(_count, folder, _YESTERDAY)
    rounds: list[dict[str, Any]] = []
    for _ in range(asked.repeats):
        found: dict[str, Any] = {}
        for name in names:
            progress("parts", 2 + len(names) * len(rounds) + len(found), steps)
            found[name] = _PARTS[name](folder, asked.titles)
        _check(found)
        rounds.append(found)
    progress("parts", steps, steps)
    about = {"titles": asked.titles, "threads": threads(), **data, **_sizes(rounds)}
    return {"about": about, **_summary(rounds), "rounds": [_costs(found) for found in rounds]}


def _check(found: Mapping[str, Any]) -> None:
    """Of two ways to the same statistics."""
    if found[DAY]["digest"] != found[COUNT]["digest"]:
        raise Failed("the statistics of yesterday and a day are not those of a count from scratch")
    if found[REFIT]["version"] != found[FIT]["version"]:
        raise Failed("two models of the same statistics are not the same")


def _sizes(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = rounds[0]
    fitted = {name: first[FIT][name] for name in ("solved", "rank", "dtype")}
    counted = {name: first[COUNT][name] for name in ("dense", "products_mb")}
    return {**fitted, **counted, "touched_rows": first[DAY]["touched_rows"]}


def _summary(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The cheapest round of each part: what a shared machine adds is never negative."""
    parts = {name: _cheapest([found[name]["cost"] for found in rounds]) for name in rounds[0]}
    together = {"full": _together(parts[COUNT], parts[FIT]), "day": _together(parts[DAY], parts[REFIT])}
    ratios = {"day": _ratio(together["day"], together["full"])}
    if ALS in parts:
        ratios["als"] = _ratio(together["full"], parts[ALS])
    return {"parts": parts, "together": together, "ratios": ratios}


def _cheapest(costs: Sequence[Cost]) -> dict[str, Any]:
    peaks = [one.peak_mb for one in costs if one.peak_mb is not None]
    wall, cpu = (min(getattr(one, name) for one in costs) for name in ("wall_s", "cpu_s"))
    return {"wall_s": wall, "cpu_s": cpu, "held_mb": costs[0].held_mb, "peak_mb": max(peaks, default=None)}


def _together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, float]:
    return {name: first[name] + second[name] for name in ("wall_s", "cpu_s")}


def _ratio(ours: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    return {name.removesuffix("_s"): ours[name] / other[name] for name in ("wall_s", "cpu_s")}


def _costs(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(part["cost"]) for name, part in found.items()}


def _make(folder: Path, titles: int, ratings: int, per_user: int) -> dict[str, Any]:
    world = made(titles, ratings, per_user)
    world.yesterday.write(folder / f"{_YESTERDAY}.npz")
    world.today.write(folder / f"{_TODAY}.npz")
    np.save(folder / "touched.npy", world.touched)
    return {
        "ratings": len(world.today.users),
        "users": len(np.unique(world.today.users)),
        "day_rows": world.day_rows,
        "day_users": len(world.touched),
    }


def _als(folder: Path) -> dict[str, Any]:
    import scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares

    rows = Table.read(folder / f"{_TODAY}.npz")
    table = sp.csr_matrix((np.ones(len(rows.users), np.float32), (rows.users, rows.movie_ids)))
    del rows
    how = {"iterations": _ITERATIONS, "num_threads": threads(), "random_state": 0}
    with threadpool_limits(1, "blas"):  # it warns of anything else: its own threads are faster
        model = AlternatingLeastSquares(_FACTORS, **how)
        _, spent = cost(lambda: model.fit(table, show_progress=False))
    return {"cost": spent}


def _count(folder: Path, day: str) -> dict[str, Any]:
    rows = Table.read(folder / f"{day}.npz")
    sums, spent = cost(lambda: summed(*rows.rows, DEFAULTS.values, DEFAULTS.dense_limit))
    return {"cost": spent, **_kept(sums, folder / f"{day}.sums")}


def _day(folder: Path) -> dict[str, Any]:
    yesterday, today = (Table.read(folder / f"{day}.npz") for day in (_YESTERDAY, _TODAY))
    touched = np.load(folder / "touched.npy")
    old, new = yesterday.of(touched), today.of(touched)
    before = _read(folder / f"{_YESTERDAY}.sums")

    def raters(movie_ids: Ints) -> Rows:
        return today.of(np.unique(today.users[np.isin(today.movie_ids, movie_ids)])).rows

    how = DEFAULTS.values, DEFAULTS.dense_limit, raters
    sums, spent = cost(lambda: updated(before, old.rows, new.rows, *how))
    return {"cost": spent, "touched_rows": len(new.users), **_kept(sums, folder / f"{DAY}.sums")}


def _fit(folder: Path, name: str, titles: int) -> dict[str, Any]:
    movies, sums = catalogue(titles), _read(folder / f"{name}.sums")
    model, spent = cost(lambda: fit_sums(movies, sums, DEFAULTS, {}))
    told = {"version": model.version, "solved": model.card["solved_movies"], "rank": model.card["rank"]}
    return {"cost": spent, **told, "dtype": str(sums.products.dtype)}


_PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    ALS: lambda folder, _: apart(_als, folder),
    COUNT: lambda folder, _: apart(_count, folder, _TODAY),
    FIT: lambda folder, titles: apart(_fit, folder, _TODAY, titles),
    DAY: lambda folder, _: apart(_day, folder),
    REFIT: lambda folder, titles: apart(_fit, folder, DAY, titles),
}


def _kept(sums: Statistics, file: Path) -> dict[str, Any]:
    with file.open("wb") as stream:
        sums.write(stream)
    with file.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    return {"digest": digest, "dense": len(sums.dense), "products_mb": sums.products.nbytes / 1e6}


def _read(file: Path) -> Statistics:
    with file.open("rb") as stream:
        return Statistics.read(stream)
