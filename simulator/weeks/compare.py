"""Worlds side by side: they have the same viewers, and differ in what was served. Seeds are the sample."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.stats import t

from simulator.errors import SimulatorError

Record = Mapping[str, Any]
WORLDS = {"daily": "learns daily", "once": "learned once", "never": "popularity"}
MEASURES = ("regret", "ndcg", "served", "taken", "pleasure", "coverage", "gini")
CONFIDENCE = 0.95


def read_runs(paths: Iterable[Path]) -> list[Record]:
    """Records of `weeks`: files, or folders of them."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    try:
        runs = [json.loads(file.read_text()) for file in files]
        runs.sort(key=lambda run: (run["about"]["seed"], list(WORLDS).index(run["about"]["learns"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SimulatorError(f"These are not records of `marquee-simulate weeks`: {error}.") from error
    if not runs:
        raise SimulatorError("There is no record.")
    return runs


@dataclass(frozen=True, slots=True)
class Paired:
    """By how much one world is ahead of another, seed by seed; `low` and `high` bound the mean."""

    world: str
    other: str
    measure: str
    ahead: tuple[float, ...]
    low: float
    high: float

    @classmethod
    def of(cls, world: str, other: str, measure: str, ahead: Sequence[float]) -> Self:
        mean, reach = float(np.mean(ahead)), float("inf")
        if len(ahead) > 1:
            error = float(np.std(ahead, ddof=1)) / len(ahead) ** 0.5
            reach = float(t.ppf((1 + CONFIDENCE) / 2, len(ahead) - 1)) * error
        return cls(world, other, measure, tuple(ahead), mean - reach, mean + reach)

    @property
    def mean(self) -> float:
        return float(np.mean(self.ahead))

    @property
    def beyond_noise(self) -> bool:
        return self.low > 0

    def __str__(self) -> str:
        said = f"{self.measure}: {WORLDS[self.world]} is ahead of {WORLDS[self.other]} by {self.mean:+.3f}"
        if len(self.ahead) == 1:
            return f"{said}; one seed tells nothing of noise"
        better = sum(one > 0 for one in self.ahead)
        verdict = "outside" if self.beyond_noise else "within"
        reach = f"({self.low:+.3f} to {self.high:+.3f}), in {better} of {len(self.ahead)} seeds"
        return f"{said} {reach}: {verdict} seed noise"


class Comparison:
    def __init__(self, runs: Sequence[Record]) -> None:
        self.runs = {(run["about"]["learns"], run["about"]["seed"]): run for run in runs}
        if len(self.runs) < len(runs):
            raise SimulatorError("Two records are of the same world and seed.")
        if len({_alike(run) for run in runs}) > 1:
            raise SimulatorError("The records are of different weeks, viewers or titles.")
        self.about = {key: value for key, value in runs[0]["about"].items() if key not in ("learns", "seed")}
        there = {world for world, _ in self.runs}
        self.worlds = [world for world in WORLDS if world in there]
        self.seeds = sorted({seed for _, seed in self.runs})

    def mean(self, world: str, measure: str) -> float:
        return float(np.mean([run["whole"][measure] for run in self._of(world)]))

    def models(self, world: str) -> float:
        """How many were published, on average; the gate may refuse one."""
        return float(
            np.mean([sum(night["learned"] is True for night in run["nights"]) for run in self._of(world)])
        )

    def over(self, world: str, part: str, measure: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """(seeds, days or weeks)"""
        return np.array([[row[measure] for row in run[part]] for run in self._of(world)])

    def paired(self, world: str, other: str, measure: str) -> Paired:
        """Of regret less is better, of the others more."""
        sign = -1 if measure == "regret" else 1
        pairs = [
            (self.runs[world, seed]["whole"][measure], self.runs[other, seed]["whole"][measure])
            for seed in self.seeds
            if (world, seed) in self.runs and (other, seed) in self.runs
        ]
        if not pairs:
            raise SimulatorError(f"No seed has both worlds: {WORLDS[world]} and {WORLDS[other]}.")
        return Paired.of(world, other, measure, [sign * (ours - theirs) for ours, theirs in pairs])

    def all_paired(self) -> list[Paired]:
        """The first world beside each of the others."""
        first, *others = self.worlds
        return [self.paired(first, other, measure) for measure in ("regret", "ndcg") for other in others]

    def record(self) -> dict[str, Any]:
        return {
            "about": self.about | {"seeds": self.seeds},
            "worlds": {
                w: {m: round(self.mean(w, m), 5) for m in MEASURES} | {"models": self.models(w)}
                for w in self.worlds
            },
            "paired": [
                {"world": p.world, "other": p.other, "measure": p.measure, "ahead": list(p.ahead)}
                | {
                    "mean": p.mean,
                    "low": finite(p.low),
                    "high": finite(p.high),
                    "beyond_noise": p.beyond_noise,
                }
                for p in self.all_paired()
            ],
            "weeks": {w: self.over(w, "weeks", "regret").mean(axis=0).round(5).tolist() for w in self.worlds},
            "days": {w: self.over(w, "days", "regret").mean(axis=0).round(5).tolist() for w in self.worlds},
        }

    def _of(self, world: str) -> list[Record]:
        return [self.runs[world, seed] for seed in self.seeds if (world, seed) in self.runs]


def finite(bound: float) -> float | None:
    """JSON knows no infinity; one seed has no bounds."""
    return bound if np.isfinite(bound) else None


def _alike(run: Record) -> str:
    return json.dumps({key: value for key, value in run["about"].items() if key not in ("learns", "seed")})
