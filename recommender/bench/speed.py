"""What was measured of speed as tables for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from recommender.bench.report import table
from recommender.bench.training import ALS, DAY, FIT, REFIT

_HEADS = ("part", "wall s", "CPU s", "MB before", "MB at most")
_ALS = f"{ALS}: 64 factors, 15 iterations, float32; its sparse table is made beforehand."
_SUMS = {FIT: ("ours together", "full"), REFIT: ("a day together", "day")}
_RATIOS = {"als": "ours / implicit ALS", "day": "a day / ours"}


def training_report(found: Mapping[str, Any]) -> str:
    about, rounds = found["about"], len(found["rounds"])
    title = (
        f"{about['ratings']:,} ratings of {about['users']:,} users and {about['titles']:,} titles;"
        f" threads: {about['threads']}, the best of {rounds}"
    )
    parts = [table(title, _HEADS, list(_parts(found)))]
    heads = ("ratio", "wall", "CPU")
    ratios = [(_RATIOS[n], f"{r['wall']:.2f}", f"{r['cpu']:.2f}") for n, r in found["ratios"].items()]
    return "\n\n".join([*parts, table("", heads, ratios).lstrip(), _explained(found)])


def _parts(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, part in found["parts"].items():
        yield name, *_times(part), _mb(part["held_mb"]), _mb(part["peak_mb"])
        if name in _SUMS:
            told, both = _SUMS[name]
            yield told, *_times(found["together"][both]), "", ""


def _times(part: Mapping[str, float]) -> tuple[str, str]:
    return f"{part['wall_s']:.2f}", f"{part['cpu_s']:.2f}"


def _mb(size: float | None) -> str:
    return "" if size is None else f"{size:,.0f}"


def _explained(found: Mapping[str, Any]) -> str:
    about = found["about"]
    return "\n".join(
        [
            f"Statistics: {about['dtype']}, exact. Fit: {about['solved']:,} movies solved for, rank"
            f" {about['rank']}; in float64, kept in float32.",
            *([_ALS] if ALS in found["parts"] else []),
            f"The day: {about['day_rows']:,} rows of {about['day_users']:,} users, whose"
            f" {about['touched_rows']:,} rows are taken out and put in. Its statistics are byte for byte",
            "those of a count from scratch, and its model is the same.",
            f"Memory: products of {about['dense']:,} movies are {about['products_mb']:,.0f} MB. Counting"
            " holds them, the rows and twice the sparse table;",
            f"{DAY}: the products twice; the fit: the products, their float32 copy and a dozen tables"
            " of movies by rank + 64.",
        ]
    )


def fold_in_report(found: Mapping[str, Any]) -> str:
    about = found["about"]
    title = (
        f"{about['titles']:,} titles, rank {about['rank']}, histories of {about['history']}, 1 thread:"
        f" the median of {about['lists']}, in turns"
    )
    heads = ("what", "ms", "times the product")
    rows = [(n, f"{ms:.2f}", f"{found['ratios'].get(n, 1.0):.2f}") for n, ms in found["ms"].items()]
    return table(title, heads, rows)
