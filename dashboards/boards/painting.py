"""Paints one panel on a picture, dark as Grafana's."""

import re
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from dashboards.boards.asking import Prometheus, Series
from dashboards.boards.numbers import written

Json = Mapping[str, Any]
Answers = Sequence[Sequence[Series]]
TITLE, LINE = 26, 15  # pixels
WORDS, FAINT, GRID = "#d5d6e0", "#8e8e9a", "#2c3036"
NAMED = {"green": "#56a64b", "orange": "#e0752d", "red": "#c4162a", "blue": "#5794f2"}
LINES = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#96d98d", "#ffcb7d")
LEGEND = 5  # lines at most


@dataclass(frozen=True)
class Frame:
    """A panel's place on the picture, in pixels from its top left corner."""

    axes: Axes
    width: float
    height: float

    def write(self, x: float, y: float, words: str, **look: Any) -> None:
        known: dict[str, Any] = {"color": WORDS, "va": "center", "fontsize": 8}
        self.axes.text(x, y, words, **known | look)


def _shown(panel: Json, value: float, now: float) -> str:
    told = panel["fieldConfig"]["defaults"]
    return written(value, told["unit"], told.get("decimals"), now)


def _color(limits: Json, value: float) -> str:
    reached = [step for step in limits["steps"] if step["value"] is None or value >= step["value"]]
    return NAMED[reached[-1]["color"]]


def paint_stat(frame: Frame, panel: Json, answers: Answers, now: float) -> None:
    found = [one for answer in answers for one in answer]
    solid = panel["options"]["colorMode"] == "background_solid"
    for number, one in enumerate(found):
        color = _color(panel["fieldConfig"]["defaults"]["thresholds"], one.last)
        if solid:
            frame.axes.set_facecolor(color)
        top = TITLE + (frame.height - TITLE) * (number + 0.45) / len(found)
        size = 22 if len(found) == 1 else 11
        name = f"{one.name}  " if panel["options"]["textMode"] == "value_and_name" else ""
        frame.write(
            frame.width / 2,
            top,
            name + _shown(panel, one.last, now),
            ha="center",
            fontsize=size,
            color="white" if solid else color,
        )


def paint_lines(frame: Frame, panel: Json, answers: Answers, prometheus: Prometheus) -> None:
    found = [one for answer in answers for one in answer]
    under = LINE * (min(len(found), LEGEND) + 2)
    high = frame.height - TITLE - under - 16
    across, down = frame.width, frame.height
    inside = frame.axes.inset_axes((62 / across, (under + 10) / down, (across - 78) / across, high / down))
    _plot(inside, panel, found, prometheus)
    for number, one in enumerate(found[:LEGEND]):
        y = frame.height - under + LINE * (number + 1.6)
        largest = max(value for _, value in one.points)
        frame.write(12, y, "▬", color=LINES[number % len(LINES)])
        frame.write(28, y, one.name or panel["title"])
        for where, value in ((90, one.last), (12, largest)):
            frame.write(frame.width - where, y, _shown(panel, value, prometheus.now), ha="right")
    if len(found) > LEGEND:
        frame.write(28, frame.height - 9, f"and {len(found) - LEGEND} more", color=FAINT)
    frame.write(frame.width - 90, frame.height - under + LINE * 0.6, "last", ha="right", color=FAINT)
    frame.write(frame.width - 12, frame.height - under + LINE * 0.6, "max", ha="right", color=FAINT)


def _plot(axes: Axes, panel: Json, found: Sequence[Series], prometheus: Prometheus) -> None:
    told = panel["fieldConfig"]["defaults"]
    stacked = told["custom"]["stacking"]["mode"] == "normal"
    floor: dict[float, float] = {}
    for number, one in enumerate(found):
        times = [when for when, _ in one.points]
        below = [floor.get(when, 0.0) for when in times]
        values = [
            value + (under if stacked else 0) for (_, value), under in zip(one.points, below, strict=True)
        ]
        color = LINES[number % len(LINES)]
        axes.plot(times, values, color=color, linewidth=1.1, marker="." if len(times) < 3 else "")
        ground = below if stacked else told.get("min", min(values))
        axes.fill_between(times, ground, values, color=color, alpha=0.4 if stacked else 0.06)
        floor |= dict(zip(times, values, strict=True))
    _axes(axes, panel, prometheus)
    top = axes.get_ylim()[1]
    if "thresholdsStyle" in told["custom"]:
        for step in told["thresholds"]["steps"][1:]:
            if step["value"] <= top:
                axes.axhline(step["value"], color=NAMED[step["color"]], linestyle="--", linewidth=0.8)


def _axes(axes: Axes, panel: Json, prometheus: Prometheus) -> None:
    told = panel["fieldConfig"]["defaults"]
    axes.set_xlim(prometheus.now - prometheus.shown_s, prometheus.now)
    low, high = axes.get_ylim()
    low, high = told.get("min", low), max(told.get("max", high), told.get("min", low) + 1e-9)
    axes.set_ylim(low, high)
    axes.set_facecolor("none")
    axes.grid(color=GRID, linewidth=0.6)
    axes.tick_params(colors=FAINT, labelsize=7, length=0)
    marks = [low + (high - low) * part / 4 for part in range(5)]
    axes.set_yticks(marks, [_shown(panel, mark, prometheus.now) for mark in marks])
    times = [prometheus.now - prometheus.shown_s * part / 4 for part in (4, 3, 2, 1, 0)]
    clock = "%H:%M:%S" if prometheus.shown_s < 3600 else "%d. %H:%M"
    axes.set_xticks(times, [time.strftime(clock, time.gmtime(when)) for when in times])
    for edge in axes.spines.values():
        edge.set_visible(False)


def paint_table(frame: Frame, panel: Json, answers: Answers, now: float) -> None:
    titles = panel["transformations"][-1]["options"]["renameByName"]
    units = {
        one["matcher"]["options"]: part["value"]
        for one in panel["fieldConfig"]["overrides"]
        for part in one["properties"]
        if part["id"] == "unit"
    }
    step = (frame.width - 24) / len(titles)
    for number, title in enumerate(titles.values()):
        frame.write(12 + number * step, TITLE + 12, title, color=NAMED["blue"], weight="bold")
    for line, row in enumerate(_rows(answers)[: int((frame.height - TITLE - 24) // 20)]):
        for number, (field, title) in enumerate(titles.items()):
            value = row.get(field, "")
            shown = value if isinstance(value, str) else written(value, units.get(title, "none"), None, now)
            frame.write(12 + number * step, TITLE + 34 + line * 20, shown)


def _rows(answers: Answers) -> list[dict[str, str | float]]:
    """Answers that have the same labels are one row."""
    rows: dict[tuple[tuple[str, str], ...], dict[str, str | float]] = {}
    for number, answer in enumerate(answers):
        field = f"Value #{chr(ord('A') + number)}" if len(answers) > 1 else "Value"
        for one in answer:
            rows.setdefault(tuple(sorted(one.labels.items())), dict(one.labels))[field] = one.last
    return list(rows.values())


def paint_text(frame: Frame, content: str) -> None:
    y = float(TITLE + 10)
    for line in content.splitlines():
        heading = line.startswith("#")
        plain = re.sub(r"\[([^]]+)\]\([^)]+\)|\*\*|`", r"\1", line.lstrip("# "))
        for part in textwrap.wrap(plain, int(frame.width / 6.1)) or [""]:
            if y > frame.height - 8:
                return
            frame.write(12, y, part, weight="bold" if heading else "normal")
            y += LINE
