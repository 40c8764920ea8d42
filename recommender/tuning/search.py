"""Parameters step by step: a change is taken when it is more than chance, in both protocols at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Self

import numpy as np

from recommender.evaluation import Floats, paired
from recommender.model import Parameters
from recommender.tuning.steps import Step
from recommender.tuning.trials import Trial

_CLEAR = 1.0  # standard errors that a gain must exceed, and that a loss in one protocol may have
_LEAST = 1e-3  # NDCG below which a gain is not counted as a share
Measured = Mapping[str, Sequence[float]]  # NDCG of the cases of each trial
Measure = Callable[[Sequence[Parameters], Parameters], Sequence[Measured]]


@dataclass(frozen=True, slots=True)
class Gain:
    """Of mean NDCG@10 in one protocol, with its standard error."""

    cases: int
    before: float
    after: float
    gain: float
    error: float


@dataclass(frozen=True, slots=True)
class Compared:
    gains: Mapping[str, Gain]  # by protocol

    @classmethod
    def of(cls, trials: Sequence[Trial], after: Measured, before: Measured) -> Self:
        found = {}
        for protocol in dict.fromkeys(trial.protocol for trial in trials):
            asked = [trial for trial in trials if trial.protocol == protocol]
            users = np.concatenate([trial.asked for trial in asked])
            ours, theirs = (_joined(asked, measured) for measured in (after, before))
            gain, error = paired(ours, theirs, users)
            found[protocol] = Gain(len(users), float(theirs.mean()), float(ours.mean()), gain, error)
        return cls(found)

    @property
    def share(self) -> float:
        """The mean over protocols of the gain as a share of what was."""
        return sum(one.gain / max(one.before, _LEAST) for one in self.gains.values()) / len(self.gains)

    @property
    def error(self) -> float:
        squares = sum((one.error / max(one.before, _LEAST)) ** 2 for one in self.gains.values())
        return sqrt(squares) / len(self.gains)

    @property
    def better(self) -> bool:
        kept = all(one.gain >= -_CLEAR * one.error for one in self.gains.values())
        return kept and self.share > _CLEAR * self.error


@dataclass(frozen=True, slots=True)
class Taken:
    step: str
    change: Mapping[str, Any]
    share: float
    error: float


@dataclass(frozen=True, slots=True)
class Found:
    parameters: Parameters
    taken: tuple[Taken, ...]


def search(trials: Sequence[Trial], steps: Sequence[Step], measure: Measure, base: Parameters) -> Found:
    """The base, where nothing is better than it is."""
    now, taken = base, list[Taken]()
    [start] = measure([now], now)
    for step in steps:
        tried = [replace(now, **change) for change in step.options]
        measured = measure([now, *tried], now)
        compared = [Compared.of(trials, after, measured[0]) for after in measured[1:]]
        better = [place for place, one in enumerate(compared) if one.better]
        if better:
            place = max(better, key=lambda place: compared[place].share)
            now = tried[place]
            taken.append(Taken(step.name, step.options[place], compared[place].share, compared[place].error))
    [end] = measure([now], now)
    return Found(now, tuple(taken)) if Compared.of(trials, end, start).better else Found(base, ())


def _joined(trials: Sequence[Trial], measured: Measured) -> Floats:
    return np.concatenate([np.asarray(measured[trial.name], np.float64) for trial in trials])
