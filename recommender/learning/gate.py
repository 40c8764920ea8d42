"""The gate: may a candidate be published? It sees what was measured, and says why."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, Self

import numpy as np

from recommender.evaluation import Floats, paired

CLEAR = 2.0  # standard errors that a difference must have to be more than noise
COVERAGE_LOSS = 0.2  # share of the champion's coverage that may go
FEWEST = 50  # cases without which nothing is compared
Outcome = Literal["passed", "refused", "unjudged"]
SAID = {"passed": "passed", "refused": "refused", "unjudged": "not judged"}
Figure = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Mean NDCG@10 of two models over the same cases, and the standard error of their difference."""

    cases: int
    ours: float
    theirs: float
    difference: float
    error: float

    @classmethod
    def of(cls, ours: Floats, theirs: Floats) -> Self | None:
        if len(ours) < FEWEST:
            return None
        return cls(len(ours), float(np.mean(ours)), float(np.mean(theirs)), *paired(ours, theirs))

    @property
    def above(self) -> bool:
        return self.difference > CLEAR * self.error

    @property
    def below(self) -> bool:
        return self.difference < -CLEAR * self.error

    def said(self, who: str, whose: str) -> str:
        clear = (
            "better beyond noise" if self.above else "worse beyond noise" if self.below else "within noise"
        )
        return (
            f"NDCG@10 for {self.cases} {who} is {self.ours:.3f}, {whose} {self.theirs:.3f}: "
            f"{self.difference:+.3f} with a standard error of {self.error:.3f} is {clear}."
        )


@dataclass(frozen=True, slots=True)
class Unshown:
    """Users with likes enough that no list of ours had shown to them, of all who could be asked."""

    left: int
    users: int

    @property
    def enough(self) -> bool:
        return self.left >= FEWEST

    def said(self, who: str, instead: str) -> str:
        few, then = ("", "they are asked about that alone") if self.enough else ("only ", instead)
        return f"Of {self.users} {who} {few}{self.left} liked enough that no list had shown to them: {then}."


@dataclass(frozen=True, slots=True)
class Champion:
    """What the candidate is held against; what could not be measured is None."""

    version: str
    day: date | None = None
    fault: str | None = None  # why its lists could not be made
    strong: Compared | None = None
    newest: Compared | None = None
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    version: str
    day: date
    cases: int = 0  # held-out users
    fault: str | None = None  # why the artifact cannot be used
    popularity: Compared | None = None
    coverage: float | None = None
    champion: Champion | None = None
    strong_unshown: Unshown | None = None  # where lists of ours showed them something
    newest_unshown: Unshown | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures name every number that was compared, and every bound."""

    outcome: Outcome
    reasons: tuple[str, ...]
    figures: Mapping[str, Figure]

    def __str__(self) -> str:
        return in_words({"outcome": self.outcome, "reasons": self.reasons})


def in_words(written: Mapping[str, Any]) -> str:
    """A verdict as it stands in the registry."""
    return f"{SAID[written['outcome']]}: {' '.join(written['reasons'])}"


def judge(evidence: Evidence) -> Verdict:
    findings = [*_sound(evidence), *_younger(evidence)]
    if not evidence.fault:
        findings += _quality(evidence)
    against, asked = [sentence for refuses, sentence in findings if refuses], _asked(evidence)
    if against:
        return Verdict("refused", (*against, *asked), _figures(evidence))
    outcome: Outcome = "passed" if evidence.popularity else "unjudged"
    return Verdict(outcome, (*(sentence for _, sentence in findings), *asked), _figures(evidence))


def _asked(evidence: Evidence) -> Iterator[str]:
    """What the users who were compared were asked about."""
    champion = evidence.champion
    if evidence.popularity and evidence.strong_unshown:
        instead = "all are asked about everything, which says nothing of a champion whose lists they saw"
        yield evidence.strong_unshown.said("held-out users", instead)
    if champion and not champion.fault and evidence.newest_unshown:
        yield evidence.newest_unshown.said("users on the newest day", f"fewer than {FEWEST} are not compared")


Findings = Iterator[tuple[bool, str]]  # whether it refuses, and why


def _sound(evidence: Evidence) -> Findings:
    if evidence.fault:
        yield True, f"It cannot be used: {evidence.fault.rstrip('.')}."


def _younger(evidence: Evidence) -> Findings:
    champion = evidence.champion
    if champion and champion.day and evidence.day < champion.day:
        yield True, f"It is of {evidence.day}, which is older data than the champion's of {champion.day}."


def _quality(evidence: Evidence) -> Findings:
    if not evidence.popularity:
        yield (
            False,
            f"Only {evidence.cases} held-out users have likes enough, fewer than {FEWEST}: "
            "it was compared neither with popularity nor with a champion.",
        )
        return
    yield from _above_popularity(evidence.popularity)
    if evidence.champion is None:
        yield False, "There is no champion yet: it was compared with popularity only."
    elif evidence.champion.fault:
        yield False, f"It was not compared with the champion: {evidence.champion.fault.rstrip('.')}."
    else:
        yield from _not_worse(evidence.champion)
        yield from _covers(evidence.coverage or 0.0, evidence.champion.coverage or 0.0)


def _above_popularity(found: Compared) -> Findings:
    yield not found.above, found.said("held-out users", "popularity's")


def _not_worse(champion: Champion) -> Findings:
    for who, found in (("held-out users", champion.strong), ("users on the newest day", champion.newest)):
        if found is None:
            yield False, f"There are fewer than {FEWEST} {who} to compare it with the champion."
        else:
            yield found.below, found.said(who, "the champion's")


def _covers(ours: float, theirs: float) -> Findings:
    lost = ours < (1 - COVERAGE_LOSS) * theirs
    said = f"Its lists hold {ours:.1%} of the catalogue, the champion's {theirs:.1%}"
    yield lost, f"{said}: {'more' if lost else 'not more'} than {COVERAGE_LOSS:.0%} of that is lost."


def _figures(evidence: Evidence) -> dict[str, Figure]:
    champion = evidence.champion
    figures: dict[str, Figure] = {
        "standard_errors": CLEAR,
        "coverage_loss": COVERAGE_LOSS,
        "fewest_cases": FEWEST,
        "cases": evidence.cases,
        "usable": evidence.fault is None,
        "candidate": evidence.version,
        "day": str(evidence.day),
        "coverage": evidence.coverage,
        **_numbers("popularity", evidence.popularity),
        **_numbers("strong_unshown", evidence.strong_unshown),
        **_numbers("newest_unshown", evidence.newest_unshown),
    }
    if champion:
        figures |= {
            "champion": champion.version,
            "champion_day": str(champion.day) if champion.day else None,
            "champion_coverage": champion.coverage,
            **_numbers("champion_strong", champion.strong),
            **_numbers("champion_newest", champion.newest),
        }
    return figures


def _numbers(name: str, found: Compared | Unshown | None) -> dict[str, Figure]:
    return {f"{name}_{key}": value for key, value in asdict(found).items()} if found else {}
