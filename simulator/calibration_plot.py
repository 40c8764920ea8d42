"""The picture of `calibrate`: four distributions, real and simulated."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.calibration import BANDS, STARS, Sample
from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = (".svg", ".png")
_LOOKS = (("real", "#777777"), ("simulated", "#0072B2"))


def check_plot(file: Path) -> None:
    """Before anything is simulated."""
    if file.suffix not in KINDS:
        raise SimulatorError(f"{file.name}: a picture is written as {' or '.join(KINDS)}.")
    if not file.parent.is_dir():
        raise SimulatorError(f"{file.parent} is not a folder.")
    if find_spec("matplotlib") is None:
        raise SimulatorError("A picture needs matplotlib, which is not installed here: leave --out out.")


def write_plot(file: Path, real: Sample, ours: Sample, title: str) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "marquee", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 7), layout="constrained")
        panels = figure.subplots(2, 2)
        for place, ((name, colour), sample) in enumerate(zip(_LOOKS, (real, ours), strict=True)):
            _stars(panels[0, 0], sample, place, name, colour)
            _activity(panels[0, 1], sample, name, colour)
            _popularity(panels[1, 0], sample, name, colour)
            _bands(panels[1, 1], sample, name, colour)
        for axes in panels.flat:
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        figure.suptitle(title)
        metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
        figure.savefig(file, metadata=metadata, dpi=150)


def _stars(axes: "Axes", sample: Sample, place: int, name: str, colour: str) -> None:
    axes.bar(STARS + (place - 0.5) * 0.18, sample.shares, width=0.18, color=colour, label=name)
    axes.set(title="Stars", xlabel="stars", ylabel="share of ratings")


def _activity(axes: "Axes", sample: Sample, name: str, colour: str) -> None:
    share = np.arange(1, len(sample.activity) + 1) / len(sample.activity)
    axes.loglog(sample.activity, share, color=colour, label=name)
    axes.set(title="Activity", xlabel="ratings", ylabel="share of viewers who give as many or more")


def _popularity(axes: "Axes", sample: Sample, name: str, colour: str) -> None:
    axes.loglog(np.arange(1, len(sample.popularity) + 1), sample.popularity, color=colour, label=name)
    axes.set(title="Popularity", xlabel="movies, the most rated first", ylabel="ratings")


def _bands(axes: "Axes", sample: Sample, name: str, colour: str) -> None:
    means = [stars.mean() for stars in sample.by_popularity()]
    axes.plot(range(len(BANDS)), means, "o-", color=colour, label=name)
    axes.set_xticks(range(len(BANDS)), [f"{100 * band:g} %" for band in BANDS])
    axes.set(
        title="Stars by popularity", xlabel="movies up to this share, the most rated first", ylabel="mean"
    )
