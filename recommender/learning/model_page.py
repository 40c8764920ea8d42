"""The card of a version as a person reads it: a page of Markdown, and a plot."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.errors import Failed
from recommender.learning.cases import LIGHT, NEW
from recommender.learning.gate import SAID

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE, PLOT = "MODEL_CARD.md", "MODEL_CARD.svg"
Card = Mapping[str, Any]  # as the registry reads it, and its publications
Table = list[Sequence[str]]
_WHO = {"candidate": "this model", "champion": "champion then", "popularity": "popularity"}
_PROTOCOLS = {"strong": "Held-out users", "newest": "The newest day"}
_TOLD = {"strong": "held-out users", "temporal": "in time order"}
_GROUPS = {
    "all": "all users",
    "new": f"new (up to {NEW} ratings)",
    "light": f"light (up to {LIGHT})",
    "heavy": f"heavy (over {LIGHT})",
    "head": "head titles",
    "tail": "tail titles",
}
_LOOKS = {
    "candidate": {"color": "#0072B2", "marker": "o"},
    "champion": {"color": "#D55E00", "marker": "D"},
    "popularity": {"color": "#666666", "marker": "s"},
}
_KINDS = {"gate": "published", "forced": "published by force", "rollback": "rolled back to"}
READING = """\
A list is good when it holds, near its top, what a user liked and the model was not told of. NDCG@10 is 1
when the ten best places hold nothing else and counts a hit less the lower it stands; Recall@10 is the
share of those titles (of ten at most) that the ten places hold. The whole catalogue is ranked, what a
user has rated excepted. Held-out users are users whom no model learned from: a fifth of each one's likes
is hidden. On the newest day the question is what a user liked on it, from what was rated before; no
model has seen that day. Nobody is asked about what a list had shown before, because a champion chose it.
Users are new, light or heavy by the number of ratings in their history; head titles are the few that
hold half of all ratings, and tail titles are the others. In parentheses stands where the true mean lies
in nineteen of twenty samples of users. The gate compares two models user by user, which tells smaller
differences apart than these intervals do."""


def page(card: Card, plot: str | None = None) -> str:
    """``plot`` is where the picture stands; without one it is left out, and so is how to read it all."""
    parts = [_title(card), _data(card), _verdict(card)]
    if _asked(card["metrics"]):
        parts += [f"![NDCG@10 by group of users]({plot})", f"## How to read it\n{READING}"] if plot else []
        parts += [*_quality(card["metrics"]), _coverage(card["metrics"])]
    parts += [_parameters(card), _history(card)]
    return "\n\n".join(parts) + "\n"


def write_page(card: Card, folder: Path) -> None:
    """The same card gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    if _asked(card["metrics"]):
        (folder / PLOT).write_bytes(plotted(card["metrics"]))
    (folder / PAGE).write_text(page(card, PLOT), encoding="utf-8")


def _title(card: Card) -> str:
    return f"# Model {card['version']}{', the champion' if card['champion'] else ''}"


def _data(card: Card) -> str:
    data = card.get("data", {})
    users, share = f"{card['ratings']:,} ratings of {card['users']:,} users", data.get("share")
    rows: Table = [
        ("day", f"{card['day'] or 'not named'}; learned from what was rated before it"),
        ("learned from", users),
        ("held out", f"{share:.1%} of the users, by a hash of their ids" if share else "nobody"),
        ("movies", f"{card['movies']:,}, of which {card['rated_movies']:,} were rated"),
        ("data", data.get("digest", "not kept")),
        ("code", f"marquee {card.get('code', 'of unknown version')}"),
        ("trained", minute(card["trained_at"])),
    ]
    if left_out := data.get("left_out"):
        who = ", ".join(f"{users:,} users of client {client}" for client, users in left_out.items())
        rows.insert(2, ("left out", f"{who}: more than are learned from"))
    return _table(("what", "which"), rows)


def _verdict(card: Card) -> str:
    verdict = card["verdict"]
    if verdict is None:
        return "## Verdict\nIt was not judged yet."
    said = SAID[verdict["outcome"]].capitalize()
    return "\n".join([f"## Verdict\n**{said}.**", "", *(f"* {reason}" for reason in verdict["reasons"])])


def _quality(metrics: Mapping[str, Any]) -> Iterator[str]:
    for protocol in _asked(metrics):
        for measure, title in (("ndcg", "NDCG@10"), ("recall", "Recall@10")):
            yield f"## {_PROTOCOLS[protocol]}: {title}\n{_measured(metrics, protocol, measure)}"


def _asked(metrics: Mapping[str, Any]) -> list[str]:
    """Ways of asking for which there were users."""
    return [protocol for protocol in _PROTOCOLS if metrics and metrics["candidate"][protocol]]


def _measured(metrics: Mapping[str, Any], protocol: str, measure: str) -> str:
    who = [key for key in _WHO if key in metrics]
    rows: Table = []
    for group, name in _GROUPS.items():
        if group in metrics["candidate"][protocol]:
            found = [metrics[key][protocol][group][measure] for key in who]
            rows.append((name, f"{found[0]['users']:,}", *map(_average, found)))
    return _table(("who", "users", *(_WHO[key] for key in who)), rows)


def _average(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _coverage(metrics: Mapping[str, Any]) -> str:
    shares = [f"{_WHO[key]} {metrics[key]['coverage']:.1%}" for key in _WHO if key in metrics]
    against = metrics.get("champion")
    named = f" The champion then was {against['version']}." if against else ""
    who = "the lists of the held-out users"
    return f"## Coverage\nShare of {metrics['movies']:,} movies in {who}: {', '.join(shares)}.{named}"


def _parameters(card: Card) -> str:
    written = {**card["parameters"], **card.get("fold", {})}
    rows: Table = [(name, _value(card, name, value)) for name, value in written.items()]
    return f"## Parameters\n{_table(('name', 'value'), rows)}{_tuned(card.get('tuned'))}"


def _tuned(tuned: Mapping[str, Any] | None) -> str:
    """What the choice gained beside the defaults, on what was held back from training."""
    if not tuned:
        return ""
    gains = [f"{_TOLD[p]} {gain['gain']:+.4f} ± {gain['error']:.4f}" for p, gain in tuned["gains"].items()]
    sent = ", for histories of likes only" if tuned["history"] == "likes" else ""
    where = f"on the data {tuned['digest']} of {tuned['day']}, by marquee {tuned['code']}{sent}"
    return f"\n\nChosen {where}. NDCG@10 beside the defaults: {', '.join(gains)}."


def _value(card: Card, name: str, value: Any) -> str:
    if value is None:
        return f"{card[name]}, by the number of movies"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _history(card: Card) -> str:
    lines = [_publication(row) for row in card["publications"]]
    return "\n".join(["## Publications", *(lines or ["It was never the champion."])])


def _publication(row: Mapping[str, Any]) -> str:
    instead = f", in place of {row['replaced']}" if row["replaced"] else ""
    why = f": {row['reason']}" if row["reason"] else ""
    return f"* {minute(row['published_at'])}, {_KINDS[row['kind']]}{instead}{why}"


def minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _table(heads: Sequence[str], rows: Table) -> str:
    """In columns of one width, so that it reads as well on a terminal."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(row, widths) for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def plotted(metrics: Mapping[str, Any]) -> bytes:
    """NDCG@10 with its interval, a panel for each way of asking, as SVG."""
    try:
        from matplotlib import rc_context
    except ImportError:
        raise Failed("A plot needs matplotlib, which is not installed here: leave --page out.") from None
    with rc_context({"svg.hashsalt": "marquee", "font.size": 10, "axes.titlesize": 11}):
        written = BytesIO()
        drawn(metrics).savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def drawn(metrics: Mapping[str, Any]) -> "Figure":
    from matplotlib.figure import Figure

    shown = _asked(metrics)
    figure = Figure(figsize=(4.8 * len(shown) + 0.4, 4.2), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False, sharex=True)
    for axes, protocol in zip(panels[0], shown, strict=True):
        _panel(axes, metrics, protocol)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def _panel(axes: "Axes", metrics: Mapping[str, Any], protocol: str) -> None:
    groups = [group for group in _GROUPS if group in metrics["candidate"][protocol]]
    who = [key for key in _WHO if key in metrics]
    for place, key in enumerate(who):
        found = [metrics[key][protocol][group]["ndcg"] for group in groups]
        means = [one["mean"] for one in found]
        reach = [[one["mean"] - one["low"] for one in found], [one["high"] - one["mean"] for one in found]]
        rows = [row + 0.2 * (place - (len(who) - 1) / 2) for row in range(len(groups))]
        axes.errorbar(
            means, rows, xerr=reach, fmt=_LOOKS[key]["marker"], color=_LOOKS[key]["color"], label=_WHO[key],
            markersize=5, elinewidth=1.5,
        )  # fmt: skip
    counts = [metrics["candidate"][protocol][group]["ndcg"]["users"] for group in groups]
    axes.set_yticks(
        range(len(groups)), [f"{_GROUPS[g]}\n{n:,} users" for g, n in zip(groups, counts, strict=True)]
    )
    axes.invert_yaxis()
    axes.set_xlim(left=-0.01)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(_PROTOCOLS[protocol])
    axes.set_xlabel("NDCG@10 with its 95 % interval")
