"""The summary of a run as one picture."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.bench.quality import STRONG, TEMPORAL
from recommender.bench.record import Unit
from recommender.bench.situations import OURS
from recommender.errors import BadInput, Failed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _THEIRS = "#0072B2", "#777777"
_NORMAL_95 = 1.96
KINDS = (".svg", ".png")


def check_plot(file: Path) -> None:
    """Before the hours of a run."""
    if file.suffix not in KINDS:
        raise BadInput(f"{file.name}: a plot is written as {' or '.join(KINDS)}.")
    if not file.parent.is_dir():
        raise BadInput(f"{file.parent} is not a folder")
    if find_spec("matplotlib") is None:
        raise Failed("A plot needs matplotlib, which is not installed here: leave --plot out.")


def write_plot(file: Path, about: Unit, summary: Unit) -> None:
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "marquee", "font.size": 9, "axes.titlesize": 11}):
        metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
        drawn(about, summary).savefig(file, metadata=metadata, dpi=150)


def drawn(about: Unit, summary: Unit) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    panels = figure.subplots(2, 2)
    _models(panels[0, 0], "Held-out users", summary[STRONG])
    _models(panels[0, 1], "In time order", summary[TEMPORAL])
    _situations(panels[1, 0], summary["situations"])
    _exchange(panels[1, 1], summary["exchange"])
    figure.suptitle(f"{about['data']}: {about['ratings']:,} ratings, {about['movies']:,} movies")
    return figure


def _models(axes: "Axes", title: str, rows: Unit) -> None:
    for place, (name, row) in enumerate(rows.items()):
        colour = _OURS if name == OURS else _THEIRS
        reach = _NORMAL_95 * row["error"]
        axes.barh(place, row["ndcg"], color=colour, height=0.6, xerr=reach or None, ecolor="black", capsize=2)
    axes.axvline(rows[OURS]["ndcg"], color=_OURS, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_title(title)
    axes.set_xlabel("NDCG@10; lines: 95 % interval of the difference to marquee")
    _plain(axes)


def _situations(axes: "Axes", situations: Unit) -> None:
    """How far ahead of the best simple way of each."""
    names = []
    for place, (name, found) in enumerate(situations.items()):
        way, row = next(iter(found["beside"].items()))
        names.append(f"{name}: {found['ndcg']:.3f}\n{way}: {row['ndcg']:.3f}")
        axes.errorbar(row["ahead"], place, xerr=_NORMAL_95 * row["error"], fmt="o", color=_OURS, capsize=2)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_title("Little known, and low ratings: beside the best other way")
    axes.set_xlabel("marquee ahead by, in NDCG@10, with its 95 % interval")
    _plain(axes)


def _exchange(axes: "Axes", exchange: Unit) -> None:
    distances, ndcg = ([row[measure] for row in exchange.values()] for measure in ("distance", "ndcg"))
    axes.plot(distances, ndcg, "o-", color=_OURS)
    for diversity, x, y in zip(exchange, distances, ndcg, strict=True):
        axes.annotate(diversity, (x, y), xytext=(0, -14), textcoords="offset points", ha="center")
    axes.set_ylim(bottom=0)
    axes.set_title("What variety costs (diversity 0 to 1)")
    axes.set_xlabel("mean distance of two titles of a list, by their vectors")
    axes.set_ylabel("NDCG@10")
    _plain(axes)


def _plain(axes: "Axes") -> None:
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
