"""Plots as SVG, drawn by hand: no script, no library, and the same numbers give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from simulator.movies import Floats

COLOURS = ("#0072B2", "#D55E00", "#666666", "#009E73")
WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 46, 40
TICKS = 5
STYLE = (
    "<style>text{font:11px system-ui,sans-serif;fill:#333}.title{font-size:13px;font-weight:600}"
    ".grid{stroke:#ddd}.axis{stroke:#777}</style>"
)


@dataclass(frozen=True, slots=True)
class Line:
    """Points at x = 1, 2, ...; the band lies between `low` and `high`."""

    name: str
    middle: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, name: str, samples: Floats) -> "Line":
        """(samples, points): the mean, and its standard error on both sides."""
        middle = samples.mean(axis=0)
        count = len(samples)
        error = samples.std(axis=0, ddof=1) / count**0.5 if count > 1 else np.zeros_like(middle)
        return cls(name, middle, middle - error, middle + error)


class Frame:
    """From numbers to places in a panel."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float]) -> None:
        self._xs, self._ys = xs, ys

    def x(self, value: float) -> float:
        return LEFT + (value - self._xs[0]) / (self._xs[1] - self._xs[0] or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        part = (value - self._ys[0]) / (self._ys[1] - self._ys[0] or 1)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    def path(self, xs: Sequence[float], ys: Floats) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys.tolist(), strict=True))


def over_time(title: str, unit: str, lines: Sequence[Line]) -> str:
    """A panel with a line for each, and its band."""
    points = max(len(line.middle) for line in lines)
    low, high = min(float(line.low.min()) for line in lines), max(float(line.high.max()) for line in lines)
    ticks = ticked(low, high)
    frame = Frame((1, points), (ticks[0], ticks[-1]))
    parts = [heading(title), *levels(frame, ticks), *days(frame, points, unit)]
    for line, colour in zip(lines, COLOURS, strict=False):
        xs = [float(x) for x in range(1, len(line.middle) + 1)]
        band = f"{frame.path(xs, line.low)} {frame.path(xs[::-1], line.high[::-1])}"
        parts.append(f'<polygon points="{band}" fill="{colour}" opacity="0.15"/>')
        middle = frame.path(xs, line.middle)
        parts.append(f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "".join([*parts, *legend([line.name for line in lines])])


def by_seed(title: str, unit: str, rows: Mapping[str, tuple[Sequence[float], float, float]]) -> str:
    """A panel with a row for each comparison: a dot a seed, a bar from `low` to `high`, and a line at 0."""
    ends = [end for ahead, low, high in rows.values() for end in (*ahead, low, high, 0.0) if np.isfinite(end)]
    ticks = ticked(min(ends), max(ends))
    frame = Frame((ticks[0], ticks[-1]), (0, len(rows)))
    parts = [heading(title)]
    for tick in ticks:
        x, kind = frame.x(tick), "axis" if tick == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(words(x, HEIGHT - BOTTOM + 15, f"{tick:g}", "middle"))
    parts.append(words((WIDTH + LEFT) / 2, HEIGHT - 8, unit, "middle"))
    for place, (name, (ahead, low, high)) in enumerate(rows.items()):
        y, colour = frame.y(len(rows) - place - 0.6), COLOURS[place + 1]
        if np.isfinite(low):
            parts.append(
                f'<line x1="{frame.x(low):.1f}" x2="{frame.x(high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
                f' stroke="{colour}" stroke-width="3" opacity="0.4"/>'
            )
        parts += [f'<circle cx="{frame.x(one):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for one in ahead]
        parts.append(words(LEFT + 4, y - 14, name, "start"))
    return "".join(parts)


def ticked(low: float, high: float) -> list[float]:
    """Round numbers that reach from below the lowest to above the highest."""
    rough = (high - low) / TICKS or 1.0
    scale = 10.0 ** np.floor(np.log10(rough))
    step = next(float(scale * part) for part in (1, 2, 2.5, 5, 10) if scale * part >= rough)
    first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    return [round(n * step, 10) for n in range(first, last + 1)]


def heading(title: str) -> str:
    return f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>'


def levels(frame: Frame, ticks: Sequence[float]) -> list[str]:
    parts = []
    for tick in ticks:
        y = frame.y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(words(LEFT - 6, y + 4, f"{tick:g}", "end"))
    return parts


def days(frame: Frame, points: int, unit: str) -> list[str]:
    step = 7 if points > 10 else 1
    marks = [words(frame.x(x), HEIGHT - BOTTOM + 15, str(x), "middle") for x in range(step, points + 1, step)]
    return [*marks, words((WIDTH + LEFT) / 2, HEIGHT - 8, unit, "middle")]


def legend(names: Sequence[str]) -> list[str]:
    parts = []
    for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        x = LEFT + 130 * place
        parts.append(f'<rect x="{x}" y="32" width="10" height="3" fill="{colour}"/>')
        parts.append(words(x + 14, 37, name, "start"))
    return parts


def words(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def picture(panels: Sequence[str], columns: int = 2) -> str:
    """All panels as one picture."""
    rows = -(-len(panels) // columns)
    width, height = WIDTH * min(columns, len(panels)), HEIGHT * rows
    placed = [
        f'<svg x="{WIDTH * (n % columns)}" y="{HEIGHT * (n // columns)}" width="{WIDTH}" height="{HEIGHT}">'
        f"{panel}</svg>"
        for n, panel in enumerate(panels)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">{STYLE}'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(placed)}</svg>'
    )
