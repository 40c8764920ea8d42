"""What a run has shown, judged: each answer by when it came, each fault by how soon writes went on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.faults import Episode
from tests.chaos.night import NOTHING_TO_DO, Ran
from tests.chaos.writers import Event

RECOVERY_S = 5.0
HANGS_S = 20.0  # longer than all that a request may wait for, one after the other
LINES_S = 1.0  # in which a connection to a process that was killed may still turn out to be dead
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Shown:
    events: Sequence[Event]
    episodes: Sequence[Episode]
    ran: Sequence[Ran]
    apis: int

    def recovery(self, episode: Episode) -> float | None:
        """Seconds from the return until every process stores, and goes on storing, what it is told."""
        assert episode.back
        if not (episode.database or episode.api is not None):
            return None
        after = [e for e in self.events if episode.back < e.ended < self._next(episode)]
        apis = range(self.apis) if episode.api is None else [episode.api]
        return max(self._recovered(episode.back, [e for e in after if e.api == api]) for api in apis)

    @staticmethod
    def _recovered(back: float, after: Sequence[Event]) -> float:
        first = next((e.ended for e in sorted(after, key=lambda e: e.ended) if _written(e)), float("inf"))
        refused = [e.ended for e in after if not _answered(e)]
        return max([first, *refused]) - back

    def _next(self, episode: Episode) -> float:
        return min((e.began for e in self.episodes if e.began > episode.began), default=float("inf"))

    def refused(self, episode: Episode) -> int:
        """Requests that this fault, and perhaps another, cost."""
        return sum(not _answered(event) and self._excuses(episode, event) for event in self.events)

    def unexcused(self) -> Iterator[str]:
        """Answers that no fault explains."""
        for event in self.events:
            took = event.ended - event.began
            if took > HANGS_S:
                yield f"{event.what} took {took:.1f} s"
            if not _answered(event) and not any(self._excuses(e, event) for e in self.episodes):
                yield f"{event.what} at process {event.api}: {event.status or 'no answer'} {event.trouble}"

    def _excuses(self, episode: Episode, event: Event) -> bool:
        assert episode.back
        if event.status == 0:
            return episode.api == event.api and episode.began <= event.ended <= episode.back + LINES_S
        refused = event.status == 503 or (200 <= event.status < 300 and not event.stored)
        return episode.database and refused and episode.began <= event.ended <= episode.back + RECOVERY_S

    def verbs_failed(self) -> Iterator[str]:
        for ran in self.ran:
            if ran.status in (0, NOTHING_TO_DO):
                if "Traceback" in ran.said:
                    yield f"{ran.verb} ended well, with a traceback"
            elif "Traceback" in ran.said or not any(_harms(e, ran) for e in self.episodes):
                yield f"{ran.verb} ended with {ran.status}: {ran.said}"

    def counts(self) -> dict[str, Any]:
        return {
            "requests": len(self.events),
            "answers": dict(sorted(Counter(e.status for e in self.events).items())),
            "not stored": sum(200 <= e.status < 300 and not e.stored for e in self.events),
            "longest, seconds": round(max((e.ended - e.began for e in self.events), default=0), 2),
            "verbs": dict(Counter(ran.verb for ran in self.ran)),
            "verbs that were killed or failed, and ran again": sum(
                ran.status not in (0, NOTHING_TO_DO) for ran in self.ran
            ),
        }


@dataclass
class Verdict:
    counts: dict[str, Any]
    faults: list[dict[str, Any]]
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.wrong

    def text(self) -> str:
        rows = [f"{'fault':26} {'times':>5} {'refused':>8} {'recovery, s: median':>20} {'longest':>8}"]
        for name in dict.fromkeys(fault["name"] for fault in self.faults):
            found = [f["recovery"] for f in self.faults if f["name"] == name]
            times = sorted(seconds for seconds in found if seconds is not None)
            told = f"{times[len(times) // 2]:20.2f} {times[-1]:8.2f}" if times else f"{'-':>20} {'-':>8}"
            refused = sum(fault["refused"] for fault in self.faults if fault["name"] == name)
            rows.append(f"{name:26} {len(found):5} {refused:8} {told}")
        rows += [f"{name}: {count}" for name, count in self.counts.items()]
        rows += [f"WRONG: {line}" for line in self.wrong[:SHOWN]]
        if len(self.wrong) > SHOWN:
            rows.append(f"WRONG: {len(self.wrong) - SHOWN} more")
        rows.append("As it should be." if self.good else "Not as it should be.")
        return "\n".join(rows)


def judged(shown: Shown, others: Sequence[str], counts: dict[str, Any]) -> Verdict:
    """`others`: what is wrong besides."""
    recovered = [(e, shown.recovery(e)) for e in shown.episodes]
    faults = [
        {
            "name": e.name,
            "note": e.note,
            "seconds": (e.back or e.began) - e.began,
            "refused": shown.refused(e),
            "recovery": seconds,
        }
        for e, seconds in recovered
    ]
    late = [
        f"after {e.name} ({e.note}) it took {seconds:.1f} s"
        for e, seconds in recovered
        if seconds is not None and seconds > RECOVERY_S
    ]
    own = [f"{e.name}: {line}" for e in shown.episodes for line in e.wrong]
    wrong = [*others, *own, *late, *shown.unexcused(), *shown.verbs_failed()]
    return Verdict(shown.counts() | counts, faults, wrong)


def _written(event: Event) -> bool:
    return event.stored and event.what != "look"


def _answered(event: Event) -> bool:
    return event.stored or (event.what == "delete" and event.status == 404)


def _harms(episode: Episode, ran: Ran) -> bool:
    assert episode.back
    met = episode.began <= ran.ended and ran.began <= episode.back + RECOVERY_S
    return met and (episode.database or episode.files)
